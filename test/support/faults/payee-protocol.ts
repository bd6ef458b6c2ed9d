import type { VoucherAnswer } from "../../../node/services/payment/index.ts";
import type { Deployment } from "../../../sdk/protocol/deployment.ts";
import type { VoucherOffer } from "../../../sdk/protocol/job.ts";
import type { Voucher } from "../../../sdk/protocol/signed.ts";
import type { Signed } from "../../../sdk/protocol/statements.ts";

/** Where a process can be made to die by SIGKILL, between every two steps of a voucher's way. */
export const killPoints = [
  "received",
  "before-write",
  "after-write",
  "acknowledged",
  "before-note",
  "after-note",
  "before-send",
  "after-send",
  "before-receipt",
  "after-receipt",
  "before-settled",
  "after-settled",
] as const;
export type KillPoint = (typeof killPoints)[number];

/** What the process is started with. */
export interface PayeeStart {
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  readonly secret: Uint8Array;
  readonly location: string;
  readonly confirmedDepth: number;
  /** Default: long enough for a machine that does much else. */
  readonly callTimeoutMs?: number;
}

export type PayeeOrder =
  | { readonly do: "start"; readonly start: PayeeStart; readonly die: { point: KillPoint; count: number } | undefined }
  | { readonly do: "offer"; readonly offer: VoucherOffer }
  | { readonly do: "collect" }
  | { readonly do: "held" }
  | { readonly do: "stop" };

/** With the number of the order that it answers; 0 says that the program is loaded. */
export interface PayeeMessage {
  readonly id: number;
  readonly reply: PayeeReply;
}

export type PayeeReply =
  | { readonly of: "ready"; readonly held: readonly Signed<Voucher>[] }
  | { readonly of: "loaded" }
  | { readonly of: "answer"; readonly answer: VoucherAnswer }
  | { readonly of: "held"; readonly held: readonly Signed<Voucher>[] }
  | { readonly of: "collected"; readonly transactions: readonly string[] }
  | { readonly of: "code"; readonly code: string; readonly message: string };
