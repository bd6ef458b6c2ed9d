import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Candidate, SelectionRequest } from "@leat/sdk/selection/candidate.ts";

export const usdc: Address = `0x${"05".repeat(20)}`;
export const lpt: Address = `0x${"06".repeat(20)}`;

export function addressOf(number: number, prefix = 0): Address {
  return `0x${prefix.toString(16).padStart(8, "0")}${number.toString(16).padStart(32, "0")}`;
}

/** A node that can do everything, alone behind its operator. */
export function makeCandidate(number: number, changes: Partial<Candidate> = {}): Candidate {
  return Object.freeze({
    node: addressOf(number),
    operator: addressOf(number, 1),
    region: "local",
    primitives: ["ingest", "transcode", "delivery"],
    codecs: ["h264", "vp9"],
    prices: [
      {
        token: usdc,
        prices: {
          ingestMs: 10n ** 22n,
          pixelH264: 2n * 10n ** 18n,
          pixelVp9: 4n * 10n ** 18n,
          deliveredByte: 5n * 10n ** 18n,
        },
      },
    ],
    free: { ingest: 10, transcode: 100_000_000, storage: 0, delivery: 100_000_000 },
    stake: 1000n * 10n ** 18n,
    vetting: "standing",
    draining: false,
    loadPermille: 100,
    overloaded: false,
    rttMs: 10,
    reputationPpm: 900_000,
    ...changes,
  } satisfies Candidate);
}

export function makeRequest(changes: Partial<SelectionRequest> = {}): SelectionRequest {
  return {
    primitive: "transcode",
    codecs: ["h264"],
    token: usdc,
    units: 1_000_000,
    excluded: [],
    reserved: [],
    holders: [],
    ...changes,
  };
}
