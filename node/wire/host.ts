import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Connection, Stream } from "@libp2p/interface";
import { type Static, Type } from "typebox";
import type { Clock } from "../kernel/clock.ts";
import type { NodeKey } from "../kernel/keys.ts";
import type { Startable } from "../kernel/lifecycle.ts";
import { WireError } from "./errors.ts";
import { FramedStream } from "./framing.ts";
import { createFramingMetrics, type FramingLimits } from "./framing-limits.ts";
import { createLibp2pNode, type Libp2pNode } from "./libp2p-node.ts";
import { FramedMediaConnection, mediaProtocolOptions } from "./media/connection.ts";
import { createLoopback } from "./media/loopback.ts";
import { MEDIA_PROTOCOL, type MediaConnection, type MediaHost, type OpenMediaOptions } from "./media/message.ts";
import { addressOfPeerId, selectMultiaddrs } from "./peer-address.ts";
import { PeerScores } from "./peer-scores.ts";

export const wireOptions = Type.Object(
  {
    listen: Type.Array(Type.String({ pattern: "^/" }), {
      default: ["/ip4/0.0.0.0/tcp/4460"],
      description: "Multiaddrs to listen on",
    }),
    announce: Type.Array(Type.String({ pattern: "^/" }), {
      default: [],
      description: "Multiaddrs that others are told instead of those listened on",
    }),
    dht: Type.Union([Type.Literal("off"), Type.Literal("client"), Type.Literal("server")], {
      default: "client",
      description: "Part taken in the peer routing table: server where others can reach this node",
    }),
    maxConnections: Type.Integer({
      default: 1_000,
      minimum: 1,
      maximum: 100_000,
      description: "Connections held at once; each takes up to 370 KB",
    }),
    inboundPerSecond: Type.Integer({
      default: 50,
      minimum: 1,
      maximum: 10_000,
      description: "New connections a second from one address; each costs up to 12 ms of CPU",
    }),
    allowColocation: Type.Boolean({
      default: false,
      description:
        "Do not lower the score of gossip peers that share one IP address, as on one machine or behind one NAT",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type WireOptions = Static<typeof wireOptions>;

export interface HostComponents {
  readonly key: NodeKey;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
  readonly clock: Clock;
}

export type FramedHandler = (stream: FramedStream) => void;

export interface OpenOptions {
  readonly signal?: AbortSignal;
}

/** How many streams of one protocol a peer may hold open on one connection. */
export interface ProtocolOptions {
  readonly limits: FramingLimits;
  readonly maxStreams: number;
}

/** This node among its peers. Handlers are registered before start. */
export interface Host extends MediaHost {
  readonly address: Address;
  readonly scores: PeerScores;
  /** Where this node can be dialed, each ending in its peer id. Empty before start. */
  multiaddrs(): string[];
  handle(protocol: string, options: ProtocolOptions, handler: FramedHandler): void;
  /** Dials `peer` (or uses the connection there is) and opens a stream to exactly that peer. */
  open(
    protocol: string,
    peer: Address,
    multiaddrs: readonly string[],
    options: ProtocolOptions & OpenOptions,
  ): Promise<FramedStream>;
  /** Round trip to a connected peer, measured by the transport's pings; undefined before the first. */
  rttMs(peer: Address): number | undefined;
  /** Ends every connection with a peer. */
  disconnect(peer: Address): void;
}

interface Registration {
  readonly protocol: string;
  readonly options: ProtocolOptions;
  readonly handler: FramedHandler;
}

/** libp2p's 10 s for a dial; a little more so that its own error is the one that is told. */
const OPEN_TIMEOUT_MS = 12_000;

export class HostService implements Host, Startable {
  readonly address: Address;
  readonly scores: PeerScores;
  readonly #components: HostComponents;
  readonly #options: WireOptions;
  readonly #registrations: Registration[] = [];
  readonly #streams = new Set<FramedStream>();
  readonly #loopbacks = new Set<MediaConnection>();
  readonly #framingMetrics;
  readonly #refused;
  #onMedia: ((connection: MediaConnection) => void) | undefined;
  #node: Libp2pNode | undefined;
  #stopping: Promise<void> | undefined;

  constructor(components: HostComponents, options: WireOptions) {
    this.#components = components;
    this.#options = options;
    this.address = components.key.address;
    this.scores = new PeerScores(components.clock, (peer) => {
      components.logger.warn("Ban peer for bad messages", { peer });
      this.disconnect(peer);
    });
    this.#framingMetrics = createFramingMetrics(components.metrics);
    this.#refused = components.metrics.counter({
      name: "leat_wire_refused_connections_total",
      help: "Inbound connections of peers that were banned for bad messages",
    });
    components.metrics.gauge({
      name: "leat_wire_connections",
      help: "Open connections with peers",
      collect: () => this.#node?.getConnections().length ?? 0,
    });
  }

  /** The running libp2p node, for gossip. */
  get node(): Libp2pNode {
    if (this.#node === undefined || this.#stopping !== undefined) throw new WireError({ code: "WIRE_HOST_STOPPED" });
    return this.#node;
  }

  async start(): Promise<void> {
    this.#node = await createLibp2pNode(this.#components.key, this.#options, (peer) => {
      if (!this.scores.isBanned(peer)) return false;
      this.#refused.add();
      return true;
    });
    for (const registration of this.#registrations) await this.#register(this.#node, registration);
    try {
      await this.#node.start();
    } catch (cause) {
      throw isPortBusy(cause)
        ? new WireError({ code: "WIRE_PORT_BUSY", listen: this.#options.listen.join(" ") }, { cause })
        : cause;
    }
    this.#components.logger.info("Start peer host", { address: this.address, multiaddrs: this.multiaddrs() });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  multiaddrs(): string[] {
    return this.#node?.getMultiaddrs().map(String) ?? [];
  }

  handle(protocol: string, options: ProtocolOptions, handler: FramedHandler): void {
    if (this.#node !== undefined) throw new Error("handlers are registered before start");
    if (this.#registrations.some((other) => other.protocol === protocol))
      throw new Error(`two handlers of ${protocol}`);
    this.#registrations.push({ protocol, options, handler });
  }

  async open(
    protocol: string,
    peer: Address,
    multiaddrs: readonly string[],
    options: ProtocolOptions & OpenOptions,
  ): Promise<FramedStream> {
    const node = this.node;
    const targets = selectMultiaddrs(multiaddrs, peer);
    const timeout = AbortSignal.timeout(OPEN_TIMEOUT_MS);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    let stream: Stream;
    let connection: Connection | undefined;
    try {
      connection = await node.dial(targets, { signal });
      this.#requirePeer(connection, peer);
      stream = await connection.newStream(protocol, { signal, maxOutboundStreams: options.maxStreams });
    } catch (cause) {
      options.signal?.throwIfAborted();
      // The peer went silent behind a connection that still looks open: the next dial must not get it again.
      if (timeout.aborted) connection?.abort(cause as Error);
      if (cause instanceof WireError) throw cause;
      throw new WireError({ code: "WIRE_DIAL_FAILED", peer }, { cause });
    }
    return this.#frame(stream, peer, options.limits);
  }

  async openMedia(
    multiaddrs: readonly string[],
    peer: Address,
    options: OpenMediaOptions = {},
  ): Promise<MediaConnection> {
    if (peer === this.address) return this.#openLoopback();
    const stream = await this.open(MEDIA_PROTOCOL, peer, multiaddrs, { ...mediaProtocolOptions, ...options });
    return new FramedMediaConnection(stream, this.scores);
  }

  onMedia(handler: (connection: MediaConnection) => void): void {
    this.#onMedia = handler;
    this.handle(MEDIA_PROTOCOL, mediaProtocolOptions, (stream) =>
      handler(new FramedMediaConnection(stream, this.scores)),
    );
  }

  rttMs(peer: Address): number | undefined {
    const measured = this.#connectionsOf(peer).flatMap(({ rtt }) => (rtt === undefined ? [] : [rtt]));
    return measured.length === 0 ? undefined : Math.min(...measured);
  }

  disconnect(peer: Address): void {
    for (const connection of this.#connectionsOf(peer))
      connection.abort(new WireError({ code: "WIRE_PEER_BANNED", peer }));
  }

  #openLoopback(): MediaConnection {
    if (this.#onMedia === undefined || this.#node === undefined) {
      throw new WireError({ code: "WIRE_DIAL_FAILED", peer: this.address });
    }
    const [here, there] = createLoopback(this.address);
    this.#loopbacks.add(here);
    void here.ended.then(() => this.#loopbacks.delete(here));
    this.#onMedia(there);
    return here;
  }

  async #stop(): Promise<void> {
    for (const loopback of this.#loopbacks) loopback.abort(new WireError({ code: "WIRE_HOST_STOPPED" }));
    if (this.#node === undefined) return;
    // Goodbyes first, so that peers see an end and not a loss.
    await Promise.all([...this.#streams].map((stream) => stream.close()));
    await this.#node.stop();
  }

  async #register(node: Libp2pNode, { protocol, options, handler }: Registration): Promise<void> {
    await node.handle(
      protocol,
      (stream, connection) => {
        try {
          const peer = addressOfPeerId(connection.remotePeer);
          if (this.#stopping !== undefined) throw new WireError({ code: "WIRE_HOST_STOPPED" });
          handler(this.#frame(stream, peer, options.limits));
        } catch (error) {
          stream.abort(error as Error);
        }
      },
      { maxInboundStreams: options.maxStreams, maxOutboundStreams: options.maxStreams },
    );
  }

  #frame(stream: Stream, peer: Address, limits: FramingLimits): FramedStream {
    const framed = new FramedStream(stream, peer, limits, this.#framingMetrics);
    this.#streams.add(framed);
    void framed.ended.then((error) => {
      this.#streams.delete(framed);
      if (error !== undefined) this.#components.logger.debug("Lose stream", { peer, protocol: framed.protocol, error });
    });
    return framed;
  }

  #requirePeer(connection: Connection, wanted: Address): void {
    const found = addressOfPeerId(connection.remotePeer);
    if (found !== wanted) throw new WireError({ code: "WIRE_PEER_WRONG", wanted, found });
  }

  #connectionsOf(peer: Address): Connection[] {
    return (this.#node?.getConnections() ?? []).filter(({ remotePeer }) => {
      try {
        return addressOfPeerId(remotePeer) === peer;
      } catch {
        return false;
      }
    });
  }
}

function isPortBusy(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isPortBusy);
  if (!(error instanceof Error)) return false;
  return error.message.includes("EADDRINUSE") || isPortBusy(error.cause);
}
