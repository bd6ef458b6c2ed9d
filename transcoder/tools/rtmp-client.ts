import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { LookupFunction, Socket } from "node:net";
import { connect, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import type { AmfValue } from "./amf.ts";
import { decodeAmf, encodeAmf } from "./amf.ts";
import { PublishError } from "./publish-error.ts";
import type { RtmpMessage } from "./rtmp-chunks.ts";
import { ChunkReader, encodeMessage, MessageType, OUT_CHUNK_BYTES } from "./rtmp-chunks.ts";

const HANDSHAKE_BYTES = 1536;
const CONTROL_CHANNEL = 2;
const COMMAND_CHANNEL = 3;
const MEDIA_CHANNEL = 6;
const DEFAULT_PORTS = { rtmp: 1935, rtmps: 443 } as const;
const START_CHUNK_BYTES = 128;
const ANSWER_TIMEOUT_MS = 10_000;

interface Target {
  readonly scheme: keyof typeof DEFAULT_PORTS;
  readonly host: string;
  readonly port: number;
  readonly app: string;
  readonly key: string;
  readonly tcUrl: string;
}

export interface OpenOptions {
  /** How the server's name is looked up, where the address that it had is to be held to. */
  readonly lookup?: LookupFunction;
  /** Ends the attempt; what was opened is left alone. */
  readonly signal?: AbortSignal;
}

interface Answer {
  resolve(values: AmfValue[]): void;
  reject(error: PublishError): void;
}

/** Publishes one stream to an RTMP server. Every failure is a PublishError, the server's refusal above all. */
export class RtmpPublisher {
  readonly #socket: Socket;
  readonly #target: Target;
  readonly #reader = new ChunkReader();
  readonly #answers = new Map<number, Answer>();
  #publishing: Answer | undefined;
  #chunkBytes = START_CHUNK_BYTES;
  #handshake: { bytes: Buffer; resolve: () => void } | undefined;
  #failed: PublishError | undefined;
  #nextCall = 1;
  #stream = 0;
  #received = 0;
  #window = 2_500_000;
  #acknowledged = 0;

  private constructor(socket: Socket, target: Target) {
    this.#socket = socket;
    this.#target = target;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error) => this.#fail(new PublishError({ code: "PUBLISH_LOST", reason: error.message })));
    socket.on("close", () => this.#fail(new PublishError({ code: "PUBLISH_LOST", reason: "the server closed" })));
  }

  /** Resolves when the server accepted the publish. */
  static async open(url: string, { lookup, signal }: OpenOptions = {}): Promise<RtmpPublisher> {
    const target = parseTarget(url);
    const socket = dial(target, lookup);
    const leave = () => socket.destroy(new Error("given up"));
    signal?.addEventListener("abort", leave, { once: true });
    try {
      if (signal?.aborted) leave();
      return await RtmpPublisher.#begin(socket, target);
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  static async #begin(socket: Socket, target: Target): Promise<RtmpPublisher> {
    try {
      await once(socket, target.scheme === "rtmps" ? "secureConnect" : "connect");
    } catch (error) {
      const host = `${target.host}:${target.port}`;
      throw new PublishError({ code: "PUBLISH_UNREACHABLE", host, reason: (error as Error).message }, { cause: error });
    }
    const publisher = new RtmpPublisher(socket, target);
    const timer = setTimeout(() => {
      publisher.#fail(new PublishError({ code: "PUBLISH_LOST", reason: "no answer from the server" }));
    }, ANSWER_TIMEOUT_MS);
    try {
      await publisher.#start();
      return publisher;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get failed(): PublishError | undefined {
    return this.#failed;
  }

  /** Sends one FLV tag body. Resolves when the socket has room again. */
  async send(type: number, timeMs: number, body: Buffer): Promise<void> {
    if (this.#failed) throw this.#failed;
    if (this.#write(MEDIA_CHANNEL, { type, stream: this.#stream, timeMs, body })) return;
    await new Promise<void>((resolve) => {
      const proceed = () => {
        this.#socket.off("drain", proceed);
        this.#socket.off("close", proceed);
        resolve();
      };
      this.#socket.on("drain", proceed);
      this.#socket.on("close", proceed);
    });
    if (this.#failed) throw this.#failed;
  }

  /** Says goodbye as publishers do, so that the server knows the stream has ended. */
  async unpublish(): Promise<void> {
    if (this.#failed) return;
    this.#command(["FCUnpublish", this.#nextCall++, null, this.#target.key]);
    this.#command(["deleteStream", this.#nextCall++, null, this.#stream]);
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    this.#failed = new PublishError({ code: "PUBLISH_LOST", reason: "unpublished" });
    this.#socket.end();
    // A server that never closes its half is not waited for once ours was sent.
    this.#socket.once("finish", () => this.#socket.destroySoon());
    await closed;
  }

  /** Drops the connection without a word, as a publisher does whose network is gone. */
  abort(): void {
    // Under TLS there is no such way, and no word is said either.
    if (this.#target.scheme === "rtmps") this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  async #start(): Promise<void> {
    const hello = Buffer.concat([Buffer.from([3]), Buffer.alloc(8), randomBytes(HANDSHAKE_BYTES - 8)]);
    const shaken = new Promise<void>((resolve) => {
      this.#handshake = { bytes: Buffer.alloc(0), resolve };
    });
    this.#socket.write(hello);
    await Promise.race([shaken, this.#lost()]);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(OUT_CHUNK_BYTES);
    this.#write(CONTROL_CHANNEL, { type: MessageType.setChunkSize, stream: 0, timeMs: 0, body: size });
    this.#chunkBytes = OUT_CHUNK_BYTES;
    const { app, tcUrl, key } = this.#target;
    await this.#call("connect", { app, type: "nonprivate", flashVer: "FMLE/3.0 (compatible; leat)", tcUrl });
    this.#command(["releaseStream", this.#nextCall++, null, key]);
    this.#command(["FCPublish", this.#nextCall++, null, key]);
    const created = await this.#call("createStream", null);
    this.#stream = typeof created[1] === "number" ? created[1] : 1;
    await new Promise<AmfValue[]>((resolve, reject) => {
      this.#publishing = { resolve, reject };
      this.#command(["publish", this.#nextCall++, null, key, "live"], this.#stream);
    });
  }

  #lost(): Promise<never> {
    return new Promise((_, reject) => this.#socket.once("close", () => reject(this.#failed)));
  }

  #call(name: string, object: AmfValue): Promise<AmfValue[]> {
    const id = this.#nextCall++;
    return new Promise((resolve, reject) => {
      if (this.#failed) reject(this.#failed);
      this.#answers.set(id, { resolve, reject });
      this.#command([name, id, object]);
    });
  }

  #command(values: readonly AmfValue[], stream = 0): void {
    this.#write(COMMAND_CHANNEL, { type: MessageType.command, stream, timeMs: 0, body: encodeAmf(values) });
  }

  #write(channel: number, message: RtmpMessage): boolean {
    return this.#socket.writable && this.#socket.write(encodeMessage(channel, message, this.#chunkBytes));
  }

  #onData(chunk: Buffer): void {
    if (this.#handshake) {
      const bytes = Buffer.concat([this.#handshake.bytes, chunk]);
      this.#handshake.bytes = bytes;
      const wanted = 1 + 2 * HANDSHAKE_BYTES;
      if (bytes.length < wanted) return;
      this.#socket.write(bytes.subarray(1, 1 + HANDSHAKE_BYTES));
      this.#handshake.resolve();
      this.#handshake = undefined;
      if (bytes.length > wanted) this.#onData(bytes.subarray(wanted));
      return;
    }
    this.#received += chunk.length;
    this.#acknowledge();
    try {
      for (const message of this.#reader.push(chunk)) this.#onMessage(message);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#fail(new PublishError({ code: "PUBLISH_LOST", reason: error.message }));
    }
  }

  #acknowledge(): void {
    if (this.#received - this.#acknowledged < this.#window / 2) return;
    this.#acknowledged = this.#received;
    const body = Buffer.alloc(4);
    body.writeUInt32BE(this.#received >>> 0);
    this.#write(CONTROL_CHANNEL, { type: MessageType.acknowledgement, stream: 0, timeMs: 0, body });
  }

  #onMessage(message: RtmpMessage): void {
    const { type, body } = message;
    if (type === MessageType.windowSize && body.length >= 4) this.#window = body.readUInt32BE(0);
    if (type === MessageType.userControl && body.length >= 6 && body.readUInt16BE(0) === 6) {
      const pong = Buffer.from(body.subarray(0, 6));
      pong.writeUInt16BE(7, 0);
      this.#write(CONTROL_CHANNEL, { type: MessageType.userControl, stream: 0, timeMs: 0, body: pong });
    }
    if (type === MessageType.command) this.#onCommand(decodeAmf(body));
  }

  #onCommand(values: readonly AmfValue[]): void {
    const [name, id, ...rest] = values;
    if (name === "onStatus") this.#onStatus(rest[1]);
    if (name !== "_result" && name !== "_error") return;
    const answer = typeof id === "number" ? this.#answers.get(id) : undefined;
    if (!answer) return;
    this.#answers.delete(id as number);
    if (name === "_result") answer.resolve(rest);
    else this.#fail(refusal(rest[1]));
  }

  #onStatus(info: AmfValue): void {
    const { status, level } = readStatus(info);
    if (status === "NetStream.Publish.Start") this.#publishing?.resolve([]);
    else if (level === "error" || status === "NetStream.Publish.BadName") this.#fail(refusal(info));
  }

  #fail(error: PublishError): void {
    this.#failed ??= error;
    for (const answer of this.#answers.values()) answer.reject(this.#failed);
    this.#answers.clear();
    this.#publishing?.reject(this.#failed);
    this.#socket.destroy();
  }
}

function readStatus(info: AmfValue): { status: string; description: string; level: string } {
  const fields = typeof info === "object" && info !== null && !Array.isArray(info) ? info : {};
  const text = (value: AmfValue) => (typeof value === "string" ? value : "");
  return { status: text(fields.code), description: text(fields.description), level: text(fields.level) };
}

function refusal(info: AmfValue): PublishError {
  const { status, description } = readStatus(info);
  return new PublishError({ code: "PUBLISH_REFUSED", status, description });
}

/** A server's certificate must be trusted here: by the system, or by NODE_EXTRA_CA_CERTS. */
function dial({ scheme, host, port }: Target, lookup: LookupFunction | undefined): Socket {
  const address = { host, port, noDelay: true, ...(lookup === undefined ? {} : { lookup }) };
  if (scheme === "rtmp") return connect(address);
  // An address is no name that a server could be asked for.
  return connectTls(isIP(host) === 0 ? { ...address, servername: host } : address);
}

function parseTarget(url: string): Target {
  const match = /^(rtmps?):\/\/([^/:?#]+|\[[^\]]+\])(?::(\d+))?\/([^/]+)\/(.+)$/.exec(url);
  // The last part of the address is the stream key: it is not repeated.
  if (!match) throw new PublishError({ code: "PUBLISH_URL_INVALID", url: url.replace(/\/[^/]*$/, "/…") });
  const [, , name, given, app, key] = match;
  const scheme = match[1] as Target["scheme"];
  const host = name!.replace(/^\[|\]$/g, "");
  const port = Number(given ?? DEFAULT_PORTS[scheme]);
  return { scheme, host, port, app: app!, key: key!, tcUrl: `${scheme}://${name}:${port}/${app}` };
}
