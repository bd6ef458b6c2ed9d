import type { Socket } from "node:net";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_CONFIG_CHANGES } from "@leat/sdk/protocol/published.ts";
import { type AmfValue, decodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { ChunkReader, messageTypes, type RtmpMessage, readUint32 } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { SENT_CHUNK_BYTES } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { HANDSHAKE_BYTES } from "@leat/transcoder/rtmp/client.ts";
import { MAX_COMMAND_BYTES } from "@leat/transcoder/rtmp/limits.ts";
import type { Clock } from "../../kernel/clock.ts";
import { KnownConfigs } from "../known-configs.ts";
import type { PublishEnd, PublishInfo, PublishSink } from "../publish-sink.ts";
import { splitMessage } from "./aggregate.ts";
import { PUBLISH_STREAM, RtmpAnswers, statusObject, uint32 } from "./answers.ts";
import { enhancements } from "./enhanced.ts";
import { RtmpError } from "./errors.ts";
import { FlvDemuxer, type FlvItem } from "./flv.ts";
import { Freshness } from "./freshness.ts";
import { holdReading } from "./held-reading.ts";
import { MAX_STREAM_NAME } from "./limits.ts";
import type { PublisherTurns } from "./publisher-turns.ts";
import { readTimedData } from "./timed-data.ts";

/** Says yes with a sink, no with a CodedError whose code the publisher is told. `key` is a secret. */
export type Authorize = (key: string, info: PublishInfo) => Promise<PublishSink>;

export interface ConnectionOptions {
  readonly app: string;
  readonly authorize: Authorize;
  readonly logger: Logger;
  readonly idleMs: number;
  readonly publishTimeoutMs: number;
  readonly maxBytesPerSecond: number;
  readonly turns: PublisherTurns;
  readonly clock: Clock;
}

/** What we ask a publisher to acknowledge, and what it may send before we do: a few seconds of video. */
const WINDOW_BYTES = 2_500_000;
const LEASE_HELD = "PUBLISH_LEASE_HELD";

/** One publisher's connection, from handshake to goodbye. */
export class RtmpConnection {
  readonly #socket: Socket;
  readonly #protocol: PublishInfo["protocol"];
  readonly #options: ConnectionOptions;
  readonly #answers: RtmpAnswers;
  /** Who has not said which stream it publishes is held no pictures for. */
  readonly #reader = new ChunkReader(MAX_COMMAND_BYTES);
  readonly #gone = new AbortController();
  #demuxer = new FlvDemuxer();
  readonly #known = new KnownConfigs();
  #sink: PublishSink | undefined;
  #configs = 0;
  #connected = false;
  #isLetIn = false;
  #finished = false;
  #received = 0;
  /** Turns that it waited for, since somebody last was in a hurry. */
  #held = 0;
  readonly #freshness = new Freshness();
  #acknowledged = 0;
  #window = WINDOW_BYTES;
  #deadline: NodeJS.Timeout | undefined;

  constructor(socket: Socket, protocol: PublishInfo["protocol"], options: ConnectionOptions) {
    this.#socket = socket;
    this.#protocol = protocol;
    this.#answers = new RtmpAnswers(socket);
    this.#options = options;
  }

  /** Whether it has published. */
  get isLetIn(): boolean {
    return this.#isLetIn;
  }

  /** Serves the connection until it is over. Never rejects. */
  async run(): Promise<void> {
    const { idleMs, publishTimeoutMs, logger } = this.#options;
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.setTimeout(idleMs, () => socket.destroy(new RtmpError({ code: "RTMP_IDLE", timeoutMs: idleMs })));
    socket.on("close", () => this.#gone.abort());
    // Whoever reads the socket hears its errors; one that comes while nobody reads must not bring the process down.
    socket.on("error", () => {});
    this.#deadline = setTimeout(() => {
      socket.destroy(new RtmpError({ code: "RTMP_PUBLISH_TIMEOUT", timeoutMs: publishTimeoutMs }));
    }, publishTimeoutMs);
    let code: string | undefined;
    try {
      await this.#serve();
    } catch (error) {
      this.#fail(error);
      // One that sends nothing is lost.
      if (isCodedError(error) && error.code !== "RTMP_IDLE") code = error.code;
    } finally {
      clearTimeout(this.#deadline);
      await this.#endPublish({ clean: false, ...(code !== undefined && { code }) });
      await this.#answers.hangUp();
      logger.debug("Close RTMP connection", {
        receivedBytes: this.#received,
        malformedFrames: this.#demuxer.malformed,
      });
    }
  }

  async #serve(): Promise<void> {
    const { maxBytesPerSecond } = this.#options;
    let handshake: Uint8Array = new Uint8Array(0);
    let secondStart = performance.now();
    let secondBytes = 0;
    let answered = false;
    let handshaken = false;
    // The socket must outlive the loop: a refusal is still to be sent.
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      let data = chunk as Uint8Array;
      this.#received += data.length;
      secondBytes += data.length;
      if (!handshaken) {
        handshake = Buffer.concat([handshake, data]);
        if (!answered && handshake.length >= 1 + HANDSHAKE_BYTES) {
          const version = handshake[0]!;
          if (version !== 3) throw new RtmpError({ code: "RTMP_VERSION_UNKNOWN", version });
          this.#answers.handshake(handshake.subarray(1, 1 + HANDSHAKE_BYTES));
          answered = true;
        }
        if (handshake.length < 1 + 2 * HANDSHAKE_BYTES) continue;
        handshaken = true;
        data = handshake.subarray(1 + 2 * HANDSHAKE_BYTES);
        handshake = new Uint8Array(0);
      }
      for (const message of this.#reader.read(data)) {
        const handled = this.#handle(message);
        // Media is mostly taken at once: a promise for each of so many small messages would cost more than they do.
        if (handled instanceof Promise) await handled;
        if (this.#finished) return;
      }
      this.#acknowledge();
      if (this.#sink?.mayWait !== true) this.#held = 0;
      else if (this.#freshness.isFresh(this.#options.clock.nowMs())) {
        await holdReading(this.#socket, () => this.#options.turns.next(this.#held++), this.#gone.signal);
      }
      const elapsed = performance.now() - secondStart;
      if (elapsed >= 1000 || secondBytes >= maxBytesPerSecond) {
        // A flood is slowed to the limit, not refused: a file pushed as fast as the disk reads looks the same.
        if (elapsed < 1000) await pause(1000 - elapsed, this.#gone.signal);
        secondStart = performance.now();
        secondBytes = 0;
      }
    }
  }

  #handle(message: RtmpMessage): Promise<void> | void {
    const { type, timestamp, payload } = message;
    switch (type) {
      case messageTypes.video:
        this.#freshness.note(timestamp);
        return this.#deliver(this.#sink ? this.#demuxer.video(timestamp, payload) : []);
      case messageTypes.audio:
        this.#freshness.note(timestamp);
        return this.#deliver(this.#sink ? this.#demuxer.audio(timestamp, payload) : []);
      case messageTypes.setChunkSize:
        return this.#reader.setChunkSize(readUint32(message) & 0x7fffffff);
      case messageTypes.abort:
        return this.#reader.abort(readUint32(message));
      case messageTypes.windowSize:
        this.#window = Math.max(readUint32(message), 1_024);
        return;
      case messageTypes.userControl:
        return this.#control(payload);
      case messageTypes.command:
        return this.#command(decodeAmf(payload));
      case messageTypes.commandAmf3:
        // AMF3 commands carry AMF0 after one byte.
        return this.#command(decodeAmf(payload.subarray(1)));
      case messageTypes.dataAmf0:
      case messageTypes.dataAmf3: {
        const tag = this.#sink?.tag === undefined ? undefined : readTimedData(message);
        return tag && this.#sink?.tag?.(tag);
      }
      case messageTypes.aggregate:
        return inTurn([...splitMessage(message)], (held) => this.#handle(held));
      default:
        // Metadata says nothing that the bitstream does not say better.
        return;
    }
  }

  #deliver(items: readonly FlvItem[]): Promise<void> | void {
    return inTurn(items, (item) => this.#give(item));
  }

  #give(item: FlvItem): Promise<void> | void {
    const sink = this.#sink;
    if (sink === undefined) return;
    if (item.type === "video") return sink.video(item.sample);
    if (item.type === "audio") return sink.audio(item.sample);
    return this.#configure(sink, item.config);
  }

  #configure(sink: PublishSink, config: TrackConfig): Promise<void> | void {
    if (!this.#known.isNew(config)) return;
    this.#configs += 1;
    if (this.#configs > MAX_CONFIG_CHANGES) {
      throw new RtmpError({ code: "RTMP_CONFIG_CHANGES_EXCEEDED", limit: MAX_CONFIG_CHANGES });
    }
    return sink.config(config.kind, config);
  }

  #control(payload: Uint8Array): void {
    const isPing = payload.length >= 6 && payload[0] === 0 && payload[1] === 6;
    if (isPing) this.#answers.control(messageTypes.userControl, Uint8Array.of(0, 7, ...payload.subarray(2, 6)));
  }

  async #command([name, transaction, ...args]: AmfValue[]): Promise<void> {
    const id = typeof transaction === "number" ? transaction : 0;
    switch (name) {
      case "connect":
        return this.#connect(id, args[0]);
      case "createStream":
        return this.#answers.command(0, "_result", id, null, PUBLISH_STREAM);
      case "publish":
        return this.#publish(args[1]);
      case "releaseStream":
      case "FCPublish":
        return id === 0 ? undefined : this.#answers.command(0, "_result", id, null, undefined);
      case "FCUnpublish":
      case "deleteStream":
      case "closeStream":
        return this.#endPublish({ clean: true });
      case "play":
      case "play2":
        throw new RtmpError({ code: "RTMP_COMMAND_UNEXPECTED", command: name });
      default:
        return;
    }
  }

  #connect(id: number, info: AmfValue): void {
    const app = info instanceof Map ? info.get("app") : undefined;
    const isOurs = typeof app === "string" && app.split("?")[0]!.replace(/\/+$/, "") === this.#options.app;
    if (!isOurs) {
      this.#answers.command(
        0,
        "_error",
        id,
        null,
        statusObject("error", "NetConnection.Connect.InvalidApp", "RTMP_APP_UNKNOWN"),
      );
      throw new RtmpError({ code: "RTMP_APP_UNKNOWN" });
    }
    this.#connected = true;
    this.#answers.control(messageTypes.windowSize, uint32(WINDOW_BYTES));
    this.#answers.control(messageTypes.peerBandwidth, Uint8Array.of(...uint32(WINDOW_BYTES), 2));
    this.#answers.control(messageTypes.setChunkSize, uint32(SENT_CHUNK_BYTES));
    const server = new Map<string, AmfValue>([["fmsVer", "FMS/3,0,1,123"], ["capabilities", 31], ...enhancements]);
    this.#answers.command(
      0,
      "_result",
      id,
      server,
      statusObject("status", "NetConnection.Connect.Success", "connected"),
    );
  }

  async #publish(given: AmfValue): Promise<void> {
    if (!this.#connected || this.#sink !== undefined) {
      throw new RtmpError({ code: "RTMP_COMMAND_UNEXPECTED", command: "publish" });
    }
    const key = typeof given === "string" ? given.split("?")[0]! : "";
    if (key === "" || key.length > MAX_STREAM_NAME) throw new RtmpError({ code: "RTMP_STREAM_NAME_INVALID" });
    const from = { protocol: this.#protocol, address: this.#socket.remoteAddress ?? "", signal: this.#gone.signal };
    this.#sink = await this.#options.authorize(key, from);
    this.#isLetIn = true;
    this.#reader.takeMedia();
    this.#demuxer = new FlvDemuxer((kind, trackId) => {
      this.#options.logger.warn("Ignore further tracks of RTMP publisher", { kind, trackId });
    });
    this.#known.clear();
    clearTimeout(this.#deadline);
    this.#answers.control(messageTypes.userControl, Uint8Array.of(0, 0, ...uint32(PUBLISH_STREAM)));
    this.#answers.status("status", "NetStream.Publish.Start", "published");
  }

  async #endPublish(how: PublishEnd): Promise<void> {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink === undefined) return;
    if (how.clean) this.#answers.status("status", "NetStream.Unpublish.Success", "unpublished");
    try {
      await sink.end(how);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Tells the publisher why, in a public code, and ends the connection once that was sent. */
  #fail(error: unknown): void {
    this.#finished = true;
    const { logger } = this.#options;
    if (!isCodedError(error)) {
      // A socket's own errors carry a code of the system: the publisher is simply gone.
      const isSocket = error instanceof Error && "code" in error;
      if (isSocket) logger.debug("Lose RTMP connection", { code: String(error.code) });
      else logger.error("Serve RTMP connection failed", { error });
      return;
    }
    logger.info("Refuse RTMP publisher", { code: error.code });
    const wasPublishing = this.#sink !== undefined;
    const status = error.code === LEASE_HELD ? "BadName" : wasPublishing ? "Failed" : "Denied";
    if (this.#connected) this.#answers.status("error", `NetStream.Publish.${status}`, error.code);
  }

  #acknowledge(): void {
    if (this.#received - this.#acknowledged < this.#window) return;
    this.#acknowledged = this.#received;
    this.#answers.control(messageTypes.acknowledgement, uint32(this.#received % 2 ** 32));
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** Takes one after the other, at once as long as nothing has to be waited for. */
function inTurn<T>(items: readonly T[], take: (item: T) => Promise<void> | void): Promise<void> | void {
  for (let at = 0; at < items.length; at += 1) {
    const taken = take(items[at]!);
    if (taken instanceof Promise) return taken.then(() => inTurn(items.slice(at + 1), take));
  }
}
