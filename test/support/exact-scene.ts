import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { PrepaidStore } from "@leat/node/store/prepaid.ts";
import { BALANCE_HEADER, PREPAID_EXTENSION, type PrepaidInfo } from "@leat/sdk/protocol/x402.ts";
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  encodePaymentSignatureHeader,
} from "@x402/core/http";
import type { PaymentPayload } from "@x402/core/types";
import { useX402 } from "./use-x402.ts";
import { wholeSegment } from "./whole-segment.ts";
import { publicClientOf, type X402Node } from "./x402-scene.ts";

export const PREPAY = 1_000_000n;

/** A node that sells by HTTP, and a viewer with money for five payments. Sets itself up in the suite that calls it. */
export function useExact() {
  const on = useX402();
  // Set before each test.
  const parties = {} as { viewer: NodeKey; node: X402Node };
  beforeEach(async () => {
    parties.viewer = await on.newViewer(5n * PREPAY);
    parties.node = await on.start();
  });

  const infoOf = (answer: Response): PrepaidInfo => {
    const { extensions } = decodePaymentResponseHeader(answer.headers.get("payment-response")!);
    return (extensions as Record<string, { info: PrepaidInfo }>)[PREPAID_EXTENSION]!.info;
  };
  const codeOf = async (answer: Response) => ((await answer.json()) as { error: { code: string } }).error.code;
  const records = () => new PrepaidStore(on.database, on.market.anvil.deployment.tokens.USDC).payments();
  const size = (sequence: number) => BigInt(wholeSegment(on.stream, 1, sequence)!.length);
  const balanceOf = (answer: Response) => BigInt(answer.headers.get(BALANCE_HEADER)!);
  /** A payment as the public client makes it, not sent yet. */
  const sign = async (key = parties.viewer, path = "240p/0.m4s"): Promise<PaymentPayload> => {
    const asked = await fetch(parties.node.url(path));
    const required = decodePaymentRequiredHeader(asked.headers.get("payment-required")!);
    return publicClientOf(on.market, key).createPaymentPayload(required);
  };
  const send = (payload: unknown, path = "240p/0.m4s") =>
    fetch(parties.node.url(path), {
      headers: { "payment-signature": encodePaymentSignatureHeader(payload as PaymentPayload) },
    });

  return Object.assign(parties, { on, infoOf, codeOf, records, size, balanceOf, sign, send });
}
