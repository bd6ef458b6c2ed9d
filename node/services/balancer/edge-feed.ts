import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { ParentSummary } from "@leat/sdk/selection/parents.ts";
import type { RefusedHolder } from "./refused-holders.ts";

/** Who feeds an edge, and why that one. */
export interface EdgeFeed {
  readonly origin: Address;
  /** From whom it has the stream: as it said, or until then whom it was told to ask first. */
  readonly holder: Address;
  /** It said so itself. */
  readonly isConfirmed: boolean;
  /** Whom it may ask, in this order, before the origin. */
  readonly parents: readonly Address[];
  /** Steps to the origin. */
  readonly depth: number;
  /** Undefined for a choice from before this balancer started. */
  readonly choice: (ParentSummary & { readonly chosenAtMs: number }) | undefined;
  /** Who is not named to it, since it did not serve it. */
  readonly refused: readonly RefusedHolder[];
}
