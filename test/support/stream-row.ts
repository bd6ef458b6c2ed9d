import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { StreamRow } from "../../node/store/sql/stream-store.ts";

const address = (byte: string): Hex => `0x${byte.repeat(20)}`;

/** A stream that is live, and of which nothing came yet. */
export const streamRow: StreamRow = {
  id: `0x${"11".repeat(32)}`,
  slug: "slug",
  buyer: address("22"),
  token: address("33"),
  ladder: [],
  passthrough: true,
  nonce: `0x${"66".repeat(32)}`,
  priceCeilings: {},
  retail: {},
  marginBps: 0,
  quote: {} as StreamRow["quote"],
  unsignedBudgetBytes: 0n,
  unsignedPaidBytes: 0n,
  playback: { type: "public" },
  pull: null,
  pullCode: null,
  targets: [],
  targetCodes: {},
  region: null,
  ingestNodes: [],
  state: "live",
  source: null,
  renditions: null,
  partTargetMs: null,
  nextSequence: 0,
  nextFrame: 0n,
  nextEpoch: 0,
  createdAtMs: 1,
  endedAtMs: null,
  endCode: null,
};
