import { createHash } from "node:crypto";
import { MAX_OFFER_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { GossipsubOpts } from "@libp2p/gossipsub";
import { OFFERS_TOPIC } from "./topics.ts";

/** The signature inside each message stands instead of gossip's own, so messages have no sender and an id by content. */
export function gossipOptions(allowColocation: boolean): Partial<GossipsubOpts> {
  return {
    msgIdFn: ({ data }) => createHash("sha256").update(data).digest(),
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    // A few topics and no more: unbounded subscriptions once were a way to fill a peer's memory.
    allowedTopics: [OFFERS_TOPIC],
    maxInboundDataLength: 2 * MAX_OFFER_BYTES,
    maxTopicBytesPerPeer: 16_384,
    maxOutboundBufferSize: 4_194_304,
    decodeRpcLimits: {
      maxSubscriptions: 16,
      maxMessages: 64,
      maxIhaveMessageIDs: 2_000,
      maxIwantMessageIDs: 2_000,
      maxIdontwantMessageIDs: 2_000,
      maxControlMessages: 2_000,
      maxPeerInfos: 32,
    },
    // Twenty nodes behind one address would otherwise deliver nothing to each other.
    ...(allowColocation ? { scoreParams: { IPColocationFactorWeight: 0 } } : {}),
  };
}
