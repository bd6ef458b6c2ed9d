import type { Address } from "./hex.ts";

/** Where the contracts of one network are. Statements are bound to `chainId` and `escrow`. */
export interface Deployment {
  readonly chainId: number;
  readonly escrow: Address;
  readonly operatorRegistry: Address;
  readonly clusterRegistry: Address;
  readonly accessManager: Address;
  readonly tokens: { readonly LPT: Address; readonly USDC: Address };
  /** Events before this block are not ours. */
  readonly deployedAtBlock: bigint;
}
