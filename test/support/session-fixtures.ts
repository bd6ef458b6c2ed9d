import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import type { Heartbeat, TableMark } from "@leat/node/wire/session/presence.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { type OfferBody, type SignedOffer, signOffer } from "@leat/sdk/protocol/offer-body.ts";

export const testDomain = createDomain(31_337, `0x${"e5".repeat(20)}`);
export const testCluster = 5n;
export const testHash: Hex = `0x${"11".repeat(32)}`;
export const statements = nativeStatements;

export const tableMark: TableMark = { tableRoot: testHash, tableIndex: null, tableSize: 0 };

export const heartbeat: Omit<Heartbeat, "rttMs"> = {
  load: 0.25,
  draining: false,
  capacity: {
    ingestStreams: { total: 10, free: 9 },
    transcodePixelsPerSecond: { total: 1_000_000, free: 500_000 },
    deliveryBytesPerSecond: { total: 1_000_000, free: 1_000_000 },
  },
  jobs: [],
};

export function offerBody(changes: Partial<OfferBody> = {}): OfferBody {
  return {
    cluster: testCluster,
    region: "eu-north",
    primitives: [{ primitive: "transcode", capacity: 1_000_000 }],
    codecs: [{ codec: "h264", pixelsPerSecond: 1_000_000 }],
    prices: [{ token: `0x${"77".repeat(20)}`, prices: { pixelH264: 2n * 10n ** 18n } }],
    multiaddrs: ["/ip4/127.0.0.1/tcp/4460"],
    sequence: 1n,
    validUntil: BigInt(Math.floor(Date.now() / 1_000) + 3_600),
    ...changes,
  };
}

export function makeOffer(key: NodeKey, changes: Partial<OfferBody> = {}): Promise<SignedOffer> {
  return signOffer(key.signer, testDomain, offerBody(changes));
}
