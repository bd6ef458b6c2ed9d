import { CodedError } from "@leat/sdk/base/errors.ts";
import { valueFromJson } from "@leat/sdk/protocol/eip712.ts";
import type { TransferAuthorization } from "@leat/sdk/protocol/eip3009.ts";
import { type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import { type Voucher, voucherStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import {
  CHANNEL_SCHEME,
  type ChannelPayload,
  channelPayloadSchema,
  type ExactPayload,
  exactPayloadSchema,
  MAX_PAYMENT_HEADER,
  networkOf,
  X402_VERSION,
} from "@leat/sdk/protocol/x402.ts";
import { PaymentPayloadV2Schema } from "@x402/core/schemas";
import { Value } from "typebox/value";
import { PrepaidError } from "../services/prepaid/errors.ts";
import type { PrepaidTerms, TopUp } from "../services/prepaid/index.ts";

export class PaymentHeaderError extends CodedError<
  | { code: "X402_HEADER_TOO_LONG"; length: number; most: number }
  | { code: "X402_HEADER_NOT_BASE64" }
  | { code: "X402_HEADER_NOT_JSON" }
  | { code: "X402_VERSION_UNSUPPORTED"; found: string }
  | { code: "X402_PAYLOAD_INVALID"; field: string }
  | { code: "X402_NETWORK_WRONG"; wanted: string; found: string }
  | { code: "X402_SCHEME_UNSUPPORTED"; found: string }
> {}

export type Payment =
  | { readonly scheme: "exact"; readonly signed: Signed<TransferAuthorization> }
  | { readonly scheme: typeof CHANNEL_SCHEME; readonly voucher: Signed<Voucher>; readonly topUp: TopUp | undefined };

/** Reads a PAYMENT-SIGNATURE header: cheap checks first, signatures are others' work. @throws PaymentHeaderError */
export function readPaymentHeader(header: string, terms: PrepaidTerms): Payment {
  const parsed = parseHeader(header);
  const version = (parsed as { x402Version?: unknown } | null)?.x402Version;
  if (version !== X402_VERSION) {
    throw new PaymentHeaderError({ code: "X402_VERSION_UNSUPPORTED", found: String(version).slice(0, 16) });
  }
  const envelope = PaymentPayloadV2Schema.safeParse(parsed);
  if (!envelope.success) {
    throw invalid(envelope.error.issues[0]?.path.join(".") ?? "");
  }
  const { accepted, payload } = envelope.data;
  const network = networkOf(terms.chainId);
  if (accepted.network !== network) {
    throw new PaymentHeaderError({ code: "X402_NETWORK_WRONG", wanted: network, found: accepted.network.slice(0, 64) });
  }
  if (accepted.asset.toLowerCase() !== terms.asset) {
    const found = accepted.asset.slice(0, 64);
    throw new PrepaidError({ code: "X402_ASSET_WRONG", wanted: terms.asset, found });
  }
  if (accepted.payTo.toLowerCase() !== terms.payTo) {
    const found = accepted.payTo.slice(0, 64);
    throw new PrepaidError({ code: "X402_PAYEE_WRONG", wanted: terms.payTo, found });
  }
  if (accepted.scheme === "exact") return { scheme: "exact", signed: readExact(payload) };
  if (accepted.scheme === CHANNEL_SCHEME) return { scheme: CHANNEL_SCHEME, ...readChannel(payload) };
  throw new PaymentHeaderError({ code: "X402_SCHEME_UNSUPPORTED", found: accepted.scheme.slice(0, 64) });
}

function parseHeader(header: string): unknown {
  if (header.length > MAX_PAYMENT_HEADER) {
    throw new PaymentHeaderError({ code: "X402_HEADER_TOO_LONG", length: header.length, most: MAX_PAYMENT_HEADER });
  }
  if (header === "" || header.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(header)) {
    throw new PaymentHeaderError({ code: "X402_HEADER_NOT_BASE64" });
  }
  try {
    return JSON.parse(Buffer.from(header, "base64").toString("utf8"));
  } catch (cause) {
    throw new PaymentHeaderError({ code: "X402_HEADER_NOT_JSON" }, { cause });
  }
}

function readExact(payload: unknown): Signed<TransferAuthorization> {
  check(exactPayloadSchema, payload);
  const { signature, authorization } = payload as ExactPayload;
  const { from, to, nonce, value, validAfter, validBefore } = authorization;
  return {
    value: {
      from: toAddress(from),
      to: toAddress(to),
      value: readInteger(value, "payload.authorization.value"),
      validAfter: readInteger(validAfter, "payload.authorization.validAfter"),
      validBefore: readInteger(validBefore, "payload.authorization.validBefore"),
      nonce: nonce.toLowerCase() as Hex,
    },
    signature: signature.toLowerCase() as Hex,
  };
}

function readChannel(payload: unknown): { voucher: Signed<Voucher>; topUp: TopUp | undefined } {
  check(channelPayloadSchema, payload);
  const { voucher, topUp } = payload as ChannelPayload;
  let value: Voucher;
  try {
    value = valueFromJson(voucherStructure, voucher.value);
  } catch {
    throw invalid("payload.voucher.value");
  }
  return {
    voucher: { value, signature: voucher.signature.toLowerCase() as Hex },
    topUp: topUp && {
      value: readInteger(topUp.value, "payload.topUp.value"),
      validAfter: readInteger(topUp.validAfter, "payload.topUp.validAfter"),
      validBefore: readInteger(topUp.validBefore, "payload.topUp.validBefore"),
      salt: topUp.salt.toLowerCase() as Hex,
      signature: topUp.signature.toLowerCase() as Hex,
    },
  };
}

function check(schema: typeof exactPayloadSchema | typeof channelPayloadSchema, payload: unknown): void {
  if (Value.Check(schema, payload)) return;
  const [first] = Value.Errors(schema, payload);
  throw invalid(`payload${(first?.instancePath ?? "").replaceAll("/", ".")}`);
}

/** 78 digits can say more than 256 bits. */
function readInteger(text: string, field: string): bigint {
  const value = BigInt(text);
  if (value >> 256n !== 0n) throw invalid(field);
  return value;
}

function invalid(field: string): PaymentHeaderError {
  return new PaymentHeaderError({ code: "X402_PAYLOAD_INVALID", field: field.slice(0, 120) });
}
