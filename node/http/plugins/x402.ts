import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { valueToJson } from "@leat/sdk/protocol/eip712.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { voucherStructure } from "@leat/sdk/protocol/signed.ts";
import {
  BALANCE_HEADER,
  CHANNEL_SCHEME,
  type ChannelInfo,
  networkOf,
  PREPAID_EXTENSION,
  X402_VERSION,
} from "@leat/sdk/protocol/x402.ts";
import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from "@x402/core/http";
import type { PaymentRequired, PaymentRequirements, SettleResponse } from "@x402/core/types";
import type { FastifyReply, FastifyRequest } from "fastify";
import { PrepaidError } from "../../services/prepaid/errors.ts";
import type { ChannelStanding, Hold, Paid, Prepaid } from "../../services/prepaid/index.ts";
import { roundUp } from "../../services/prepaid/round-up.ts";
import { type Payment, readPaymentHeader } from "../payment-header.ts";
import { type X402Code, x402Meanings } from "./x402-codes.ts";

/** What somebody wants and what it costs at most. */
export interface PaidResource {
  readonly description: string;
  readonly mimeType: string;
  /** 10^-30 of a whole token. 0: it is only for those who pay, and costs nothing itself. */
  readonly costExact: bigint;
}

export interface X402Components {
  readonly prepaid: Prepaid;
  /** Where clients reach this node. */
  readonly publicUrl: string;
  readonly logger: Logger;
}

/** Asks for payment in the x402 v2 format, takes it, and lets in who has paid. */
export class X402Door {
  readonly #components: X402Components;

  constructor(components: X402Components) {
    this.#components = components;
  }

  /** Undefined: the reply has gone out with what is to be paid. Otherwise the money is taken: settle the hold once. */
  async admit(request: FastifyRequest, reply: FastifyReply, resource: PaidResource): Promise<Hold | undefined> {
    // What a payer gets is for it alone; a cache that kept a 402, or what follows it, would answer somebody else.
    reply.header("cache-control", "private, no-store");
    let payment: Payment | undefined;
    try {
      const header = request.headers["payment-signature"];
      if (header !== undefined) payment = readPaymentHeader(String(header), this.#components.prepaid.terms);
      const payer = await this.#findPayer(request, reply, resource, payment);
      const hold = await this.#components.prepaid.hold(payer, resource.costExact);
      reply.header(BALANCE_HEADER, (await this.#components.prepaid.balance(payer)).toString());
      return hold;
    } catch (error) {
      // A full disk, say: what cannot be written down is not taken.
      const isStore = isCodedError(error) && error.code.startsWith("STORE_");
      const told = isStore ? new PrepaidError({ code: "X402_STORE_UNAVAILABLE" }, { cause: error }) : error;
      if (isStore) this.#components.logger.error("Take payment failed", { error });
      await this.#refuse(request, reply, resource, told, payment);
      return undefined;
    }
  }

  /** Whole base units. */
  balance(payer: Address): Promise<bigint> {
    return this.#components.prepaid.balance(payer);
  }

  async #findPayer(
    request: FastifyRequest,
    reply: FastifyReply,
    resource: PaidResource,
    payment: Payment | undefined,
  ): Promise<Address> {
    const { prepaid } = this.#components;
    if (payment !== undefined) {
      const { costExact } = resource;
      const paid = await (payment.scheme === "exact"
        ? prepaid.payExact(payment.signed, costExact)
        : prepaid.payVoucher(payment.voucher, payment.topUp, costExact));
      reply.header("payment-response", encodePaymentResponseHeader(await this.#settlement(paid, payment)));
      return paid.payer;
    }
    const token = /^Bearer ([!-~]{1,128})$/i.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined) throw new PrepaidError({ code: "X402_PAYMENT_REQUIRED" });
    return prepaid.payerOf(token);
  }

  async #settlement(paid: Paid, payment: Payment): Promise<SettleResponse> {
    const { prepaid } = this.#components;
    const balance = await prepaid.balance(paid.payer);
    const standing = await this.#standingOf(payment);
    return {
      success: true,
      transaction: paid.transaction ?? "",
      network: networkOf(prepaid.terms.chainId),
      payer: paid.payer,
      amount: paid.amount.toString(),
      extensions: {
        [PREPAID_EXTENSION]: {
          info: { token: paid.token, expiresAt: paid.expiresAt, balance: balance.toString() },
        },
        ...(standing === undefined ? {} : { [CHANNEL_SCHEME]: { info: presentChannel(standing) } }),
      },
    };
  }

  async #refuse(
    request: FastifyRequest,
    reply: FastifyReply,
    resource: PaidResource,
    error: unknown,
    payment: Payment | undefined,
  ): Promise<void> {
    const meaning = isCodedError(error) ? x402Meanings[error.code as X402Code] : undefined;
    // A bug: the server's own answer.
    if (meaning === undefined) throw error;
    const { code } = error as { code: X402Code };
    if (payment !== undefined) this.#components.logger.debug("Refuse payment", { code, scheme: payment.scheme });
    const standing = await this.#standingOf(payment);
    const required = this.#requirements(request, resource, meaning.reason, standing);
    reply.header("payment-required", encodePaymentRequiredHeader(required));
    if (meaning.status === 503) reply.header("retry-after", "5");
    const body = JSON.stringify({ error: { code, message: meaning.message } });
    reply.code(meaning.status).type("application/json; charset=utf-8").serializer(String).send(body);
  }

  /** A chain that is away takes this out of an answer, not the answer. */
  async #standingOf(payment: Payment | undefined): Promise<ChannelStanding | undefined> {
    if (payment?.scheme !== CHANNEL_SCHEME) return undefined;
    return this.#components.prepaid.standing(payment.voucher).catch(() => undefined);
  }

  #requirements(
    request: FastifyRequest,
    { description, mimeType, costExact }: PaidResource,
    error: string,
    standing: ChannelStanding | undefined,
  ): PaymentRequired {
    const { prepaid, publicUrl } = this.#components;
    const { terms } = prepaid;
    const cost = roundUp(costExact, terms.decimals);
    const shared = {
      network: networkOf(terms.chainId),
      asset: terms.asset,
      payTo: terms.payTo,
      maxTimeoutSeconds: terms.timeoutSeconds,
    };
    const extra = { name: terms.assetName, version: terms.assetVersion };
    const amount = cost > terms.prepay ? cost.toString() : terms.prepay.toString();
    const accepts: PaymentRequirements[] = [
      { scheme: "exact", ...shared, amount, extra },
      {
        scheme: CHANNEL_SCHEME,
        ...shared,
        amount: (cost > 0n ? cost : 1n).toString(),
        extra: { ...extra, escrow: terms.escrow, cluster: "0", clusterPpm: 0, topUp: terms.prepay.toString() },
      },
    ];
    const info = { balanceHeader: BALANCE_HEADER, tokenHeader: "authorization" };
    return {
      x402Version: X402_VERSION,
      error,
      resource: { url: `${publicUrl}${request.url.split("?")[0]}`, description, mimeType },
      accepts,
      extensions: {
        [PREPAID_EXTENSION]: { info },
        ...(standing === undefined ? {} : { [CHANNEL_SCHEME]: { info: presentChannel(standing) } }),
      },
    };
  }
}

function presentChannel({ held, reserve, collected }: ChannelStanding): ChannelInfo {
  return {
    reserve: reserve.toString(),
    collected: collected.toString(),
    ...(held === undefined
      ? {}
      : { held: { value: valueToJson(voucherStructure, held.value), signature: held.signature } }),
  };
}
