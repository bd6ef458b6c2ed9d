import { createSocket } from "node:dgram";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { WebrtcError } from "./errors.ts";
import type { WebrtcOptions } from "./options.ts";
import { candidatesAt, readTransport, type Transport, writeTransportOffer } from "./sdp-answer.ts";
import type { Offer } from "./sdp-offer.ts";

type Native = typeof import("node-datachannel");
type NativePeer = InstanceType<Native["PeerConnection"]>;
type NativeTrack = ReturnType<NativePeer["addTrack"]>;

/** What a connection tells. Nothing is told after `closed`, which comes once. */
export interface PeerEvents {
  open(): void;
  packet(bytes: Uint8Array): void;
  closed(): void;
}

/** One client's connection: RTP and RTCP of all its media, in and out, over one transport. */
export interface Peer {
  /** Our end of it. */
  readonly transport: Transport;
  addCandidate(candidate: string): void;
  /** Sends a packet of RTP or RTCP as it is; false where it cannot go out now. */
  send(packet: Uint8Array): boolean;
  close(): void;
}

/** Answers offers. */
export interface Peers {
  /** Why no offer is answered here; undefined: they are. */
  readonly fault: WebrtcError | undefined;
  /** @throws WEBRTC_UNAVAILABLE, and WEBRTC_SDP_INVALID for what the native library refuses */
  connect(offer: Offer, events: PeerEvents): Promise<Peer>;
}

/** Addresses of the machine are known at once: a library that does not answer is broken. */
const GATHER_MS = 3_000;
/** Endpoints of this process: they share the library's threads. */
let users = 0;

/**
 * The only file that knows node-datachannel. Its network and cryptography run in threads of its own; what comes to the
 * event loop are whole packets. Where its binary cannot be loaded the node goes on without WebRTC.
 */
export class WebrtcEndpoint implements Peers, Startable {
  readonly #options: Pick<WebrtcOptions, "enabled" | "host" | "port" | "publicAddresses">;
  readonly #logger: Logger;
  readonly #load: () => Promise<Native>;
  readonly #peers = new Set<NdcPeer>();
  #native: Native | undefined;
  #listener: InstanceType<Native["IceUdpMuxListener"]> | undefined;
  #port = 0;
  #fault: WebrtcError | undefined = new WebrtcError({ code: "WEBRTC_UNAVAILABLE", reason: "not started" });
  #opened = 0;

  constructor(
    options: Pick<WebrtcOptions, "enabled" | "host" | "port" | "publicAddresses">,
    logger: Logger,
    load: () => Promise<Native> = () => import("node-datachannel"),
  ) {
    this.#options = options;
    this.#logger = logger;
    this.#load = load;
  }

  get fault(): WebrtcError | undefined {
    return this.#fault;
  }

  /** Known once started. */
  get port(): number {
    return this.#port;
  }

  /** @throws WEBRTC_PORT_BUSY, WEBRTC_ADDRESS_UNUSABLE */
  async start(): Promise<void> {
    const { enabled, host, port } = this.#options;
    if (!enabled) {
      this.#fault = new WebrtcError({ code: "WEBRTC_UNAVAILABLE", reason: "switched off" });
      return;
    }
    try {
      this.#native = await this.#load();
      users += 1;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message.split("\n")[0]! : "unknown";
      this.#fault = new WebrtcError({ code: "WEBRTC_UNAVAILABLE", reason }, { cause });
      this.#logger.warn("Go on without WebRTC", { code: this.#fault.code, reason });
      return;
    }
    try {
      this.#port = await findPort(host, port);
    } catch (error) {
      this.#letGo();
      throw error;
    }
    // The library has the port only while somebody is connected: it is held for as long as the node runs.
    this.#listener = new this.#native.IceUdpMuxListener(this.#port, host);
    this.#listener.onUnhandledStunRequest(() => {});
    this.#fault = undefined;
    this.#logger.info("Take WebRTC", { host, port: this.#port });
  }

  async stop(): Promise<void> {
    this.#fault = new WebrtcError({ code: "WEBRTC_STOPPED" });
    for (const peer of this.#peers) peer.close();
    this.#listener?.stop();
    this.#listener = undefined;
    this.#letGo();
  }

  /** The library's threads would keep the process alive. */
  #letGo(): void {
    const native = this.#native;
    this.#native = undefined;
    if (native === undefined) return;
    users -= 1;
    if (users === 0) native.cleanup();
  }

  async connect(offer: Offer, events: PeerEvents): Promise<Peer> {
    if (this.#fault !== undefined || this.#native === undefined) throw this.#fault;
    // Its threads look for work a hundred times a second: they begin with the first client, and stay. Twice is once.
    this.#native.preload();
    const { host, publicAddresses } = this.#options;
    const mid = offer.media[0]!.mid;
    this.#opened += 1;
    const peer = new NdcPeer(this.#native, {
      name: `leat-${this.#opened}`,
      host,
      port: this.#port,
      mid,
      events: this.#guard(events, () => this.#peers.delete(peer)),
    });
    this.#peers.add(peer);
    try {
      const transport = await peer.answer(offer);
      peer.transport = candidatesAt(transport, publicAddresses);
      return peer;
    } catch (error) {
      peer.close();
      if (error instanceof WebrtcError) throw error;
      // What it refuses of a description that we wrote anew out of checked parts is still the client's.
      throw new WebrtcError({ code: "WEBRTC_SDP_INVALID", what: "transport" }, { cause: error });
    }
  }

  /** What is thrown into the native library ends the process. */
  #guard(events: PeerEvents, onClosed: () => void): PeerEvents {
    const attempt = (report: () => void) => {
      try {
        report();
      } catch (error) {
        this.#logger.error("Hear WebRTC connection failed", { error });
      }
    };
    return {
      open: () => attempt(() => events.open()),
      packet: (bytes) => attempt(() => events.packet(bytes)),
      closed: () => {
        onClosed();
        attempt(() => events.closed());
      },
    };
  }
}

interface NdcOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly mid: string;
  readonly events: PeerEvents;
}

class NdcPeer implements Peer {
  transport: Transport = { ice: { ufrag: "", pwd: "" }, fingerprint: "", setup: "", candidates: [] };
  readonly #peer: NativePeer;
  readonly #track: NativeTrack;
  readonly #mid: string;
  /** Undefined once it is closed: the library holds its callbacks for ever, and all that they reach. */
  #events: PeerEvents | undefined;

  constructor({ PeerConnection, Video }: Native, { name, host, port, mid, events }: NdcOptions) {
    this.#events = events;
    this.#mid = mid;
    this.#peer = new PeerConnection(name, {
      iceServers: [],
      bindAddress: host,
      enableIceUdpMux: true,
      portRangeBegin: port,
      portRangeEnd: port,
      disableAutoNegotiation: true,
      forceMediaTransport: true,
    });
    this.#peer.onStateChange((state) => {
      if (state === "failed" || state === "closed" || state === "disconnected") this.close();
    });
    const media = new Video(mid, "SendRecv");
    media.addH264Codec(96);
    this.#track = this.#peer.addTrack(media);
    this.#track.onOpen(() => this.#events?.open());
    this.#track.onMessage((bytes) => this.#events?.packet(bytes));
  }

  async answer(offer: Offer): Promise<Transport> {
    const peer = this.#peer;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = () => reject(new WebrtcError({ code: "WEBRTC_UNAVAILABLE", reason: "no addresses" }));
    const timer = setTimeout(late, GATHER_MS);
    peer.onGatheringStateChange((state) => {
      if (state === "complete") resolve();
    });
    try {
      peer.setRemoteDescription(writeTransportOffer(offer), "offer");
      peer.setLocalDescription("answer");
      await promise;
    } finally {
      clearTimeout(timer);
    }
    const sdp = peer.localDescription()?.sdp;
    if (sdp === undefined) throw new WebrtcError({ code: "WEBRTC_UNAVAILABLE", reason: "no answer" });
    return readTransport(sdp);
  }

  addCandidate(candidate: string): void {
    if (this.#events !== undefined) this.#peer.addRemoteCandidate(candidate, this.#mid);
  }

  send(packet: Uint8Array): boolean {
    if (this.#events === undefined || !this.#track.isOpen()) return false;
    try {
      return this.#track.sendMessageBinary(packet as Buffer);
    } catch {
      // It closed between the question and the packet.
      return false;
    }
  }

  close(): void {
    const events = this.#events;
    if (events === undefined) return;
    this.#events = undefined;
    this.#peer.close();
    events.closed();
  }
}

/** A port that the library can take: it says nothing of one that is taken. */
function findPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      const cause = { cause: error };
      if (error.code === "EADDRINUSE") reject(new WebrtcError({ code: "WEBRTC_PORT_BUSY", host, port }, cause));
      else reject(new WebrtcError({ code: "WEBRTC_ADDRESS_UNUSABLE", host, port, reason: error.code ?? "" }, cause));
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      const found = socket.address().port;
      socket.close(() => resolve(found));
    });
  });
}
