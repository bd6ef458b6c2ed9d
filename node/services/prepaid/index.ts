import type { TransferAuthorization } from "@leat/sdk/protocol/eip3009.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";

export const x402Options = Type.Object(
  {
    enabled: Type.Boolean({ default: false, description: "Sell to whoever pays by HTTP, in the x402 format" }),
    playback: Type.Union([Type.Literal("unbudgeted"), Type.Literal("all"), Type.Literal("none")], {
      default: "unbudgeted",
      description: "Streams whose viewers pay: those whose buyer set no budget for viewers, all, or none",
    }),
    transcodes: Type.Boolean({ default: false, description: "Sell transcode jobs by HTTP, one at a time" }),
    prepay: Type.String({
      default: "1",
      pattern: "^[0-9]{1,6}(\\.[0-9]{1,6})?$",
      description: "What a payment of the exact scheme prepays, and the most that one payer has prepaid, USDC",
    }),
    maxHeld: Type.String({
      default: "20",
      pattern: "^[0-9]{1,6}(\\.[0-9]{1,6})?$",
      description:
        "What the node's key holds of payments of the exact scheme before it pays them out to the operator's beneficiary; above twice that it takes none, USDC",
    }),
    dailyGasEther: Type.String({
      default: "0.05",
      pattern: "^[0-9]{1,9}(\\.[0-9]{1,18})?$",
      description: "The most that is spent in 24 hours for submitting payments, ether; nothing else is paid from it",
    }),
    timeoutSeconds: Type.Integer({
      default: 300,
      minimum: 30,
      maximum: 3_600,
      description: "How long an authorisation is to be valid, seconds",
    }),
    tokenSeconds: Type.Integer({
      default: 3_600,
      minimum: 60,
      maximum: 86_400,
      description:
        "How long a balance token stands, seconds; a payment signed after that is a new one and costs nothing",
    }),
    settleWaitMs: Type.Integer({
      default: 30_000,
      minimum: 1_000,
      maximum: 120_000,
      description: "How long a request waits until its payment is confirmed, milliseconds",
    }),
    lookEveryMs: Type.Integer({
      default: 5_000,
      minimum: 50,
      maximum: 600_000,
      description: "Pause between looks at what became of payments that are open, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type X402Options = Static<typeof x402Options>;

/** What a payment must say. */
export interface PrepaidTerms {
  readonly chainId: number;
  readonly escrow: Address;
  readonly asset: Address;
  readonly decimals: number;
  /** The token's signing domain. */
  readonly assetName: string;
  readonly assetVersion: string;
  /** The serving node. */
  readonly payTo: Address;
  /** Base units. */
  readonly prepay: bigint;
  /** Base units that the node's key holds of such payments before they are paid out. */
  readonly maxHeld: bigint;
  readonly timeoutSeconds: number;
}

/** A payment that was made, or shown by somebody whose balance lasts: then nothing was taken. */
export interface Paid {
  readonly payer: Address;
  /** Undefined where nothing was sent to the chain. */
  readonly transaction: Hex | undefined;
  /** Base units that were added to the balance. */
  readonly amount: bigint;
  readonly token: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/** How a payer's channel stands, base units. */
export interface ChannelStanding {
  readonly held: Signed<Voucher> | undefined;
  readonly reserve: bigint;
  readonly collected: bigint;
}

export interface TopUp {
  readonly value: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly salt: Hex;
  readonly signature: Hex;
}

/** Money taken for one request before it is served. */
export interface Hold {
  readonly payer: Address;
  /** What was used of it, exact; the rest goes back, soon. Once. */
  settle(usedExact: bigint): void;
  /** The same; resolves when the rest is back. */
  settleNow(usedExact: bigint): Promise<void>;
}

/** Balances that clients paid ahead, and the two ways to pay. Exact amounts are 10^-30 of a whole token. */
export interface Prepaid {
  readonly terms: PrepaidTerms;
  /** Whose balance a token spends. @throws X402_TOKEN_INVALID, X402_TOKEN_EXPIRED */
  payerOf(token: string): Promise<Address>;
  /** Whole base units. */
  balance(payer: Address): Promise<bigint>;
  /** Takes money, durably. @throws X402_BALANCE_SHORT */
  hold(payer: Address, exact: bigint): Promise<Hold>;
  /**
   * Takes an authorised payment to this node, unless its payer's balance lasts for `wantedExact`: then it is only shown.
   * Resolves when the payment is confirmed and counted.
   */
  payExact(signed: Signed<TransferAuthorization>, wantedExact: bigint): Promise<Paid>;
  /** Tops the channel up where asked, and takes its next voucher: what the total grows by is the payment. */
  payVoucher(voucher: Signed<Voucher>, topUp: TopUp | undefined, wantedExact: bigint): Promise<Paid>;
  /** What a failed `payVoucher` tells the payer. Undefined where nobody showed to be it. */
  standing(voucher: Signed<Voucher>): Promise<ChannelStanding | undefined>;
}
