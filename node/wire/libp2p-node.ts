import { noise } from "@chainsafe/libp2p-noise";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { type GossipSub, gossipsub, StrictNoSign } from "@libp2p/gossipsub";
import { type Identify, identify } from "@libp2p/identify";
import { type KadDHT, kadDHT, passthroughMapper } from "@libp2p/kad-dht";
import { type Ping, ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { tls } from "@libp2p/tls";
import { yamux } from "@libp2p/yamux";
import { createLibp2p, type Libp2p } from "libp2p";
import { type NodeKey, toLibp2pKey } from "../kernel/keys.ts";
import { gossipOptions } from "./gossip/options.ts";
import type { WireOptions } from "./host.ts";
import { addressOfPeerId } from "./peer-address.ts";

export type Libp2pServices = { identify: Identify; ping: Ping; gossip: GossipSub; dht?: KadDHT };
export type Libp2pNode = Libp2p<Libp2pServices>;

/** Yamux grows a stream's window up to this: 160 Mb/s over a path of 100 ms. */
const STREAM_WINDOW_BYTES = 2_097_152;
/** A paused stream may receive a whole window; below it the stream would be reset. */
const READ_BUFFER_BYTES = 2 * STREAM_WINDOW_BYTES;
/** libp2p's default of 10 fails when a network of 20 nodes starts at once on a busy machine. */
const MAX_PENDING_INBOUND = 100;
/** A peer on a machine that is busy encoding answers late; one that is gone is found within half a minute. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 15_000;
/** Streams of all protocols on one connection: 1,000 subscriptions of one edge to one origin are enough. */
const MAX_STREAMS = 1_024;

/** Not started. TLS is offered first: it moves half as much again as noise. */
export function createLibp2pNode(
  key: NodeKey,
  options: WireOptions,
  isBanned: (peer: Address) => boolean,
): Promise<Libp2pNode> {
  const denyBanned = (peerId: Parameters<typeof addressOfPeerId>[0]) => {
    try {
      return isBanned(addressOfPeerId(peerId));
    } catch {
      // Another kind of key has no address, and no business here.
      return true;
    }
  };
  return createLibp2p<Libp2pServices>({
    start: false,
    privateKey: toLibp2pKey(key),
    nodeInfo: { name: "leat", version: "0.1.0" },
    addresses: { listen: options.listen, announce: options.announce },
    transports: [tcp()],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: MAX_STREAMS,
        maxOutboundStreams: MAX_STREAMS,
        streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES, maxReadBufferLength: READ_BUFFER_BYTES },
      }),
    ],
    connectionManager: {
      maxConnections: options.maxConnections,
      inboundConnectionThreshold: options.inboundPerSecond,
      maxIncomingPendingConnections: MAX_PENDING_INBOUND,
      // Who needs a peer dials it again itself.
      reconnectRetries: 0,
    },
    connectionMonitor: {
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: { minTimeout: PING_TIMEOUT_MS, maxTimeout: 2 * PING_TIMEOUT_MS },
    },
    connectionGater: {
      denyInboundEncryptedConnection: denyBanned,
      // libp2p's own refuses private addresses in browsers; a cluster may well live in one network.
      denyDialMultiaddr: () => false,
    },
    services: {
      identify: identify({ maxInboundStreams: 8, maxOutboundStreams: 8 }),
      ping: ping(),
      gossip: gossipsub({ ...gossipOptions(options.allowColocation), globalSignaturePolicy: StrictNoSign }),
      ...(options.dht === "off"
        ? {}
        : {
            dht: kadDHT({
              protocol: "/leat/kad/1.0.0",
              clientMode: options.dht === "client",
              peerInfoMapper: passthroughMapper,
            }),
          }),
    },
  });
}
