import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { type AmfValue, decodeAmf, encodeAmf } from "./amf0.ts";
import { ChunkReader, messageTypes, type RtmpMessage, readUint32 } from "./chunk-reader.ts";
import { writeMessage } from "./chunk-writer.ts";

/** What a client's failures are to whoever uses it. */
export interface RtmpFaults {
  /** The server said no, in its own words: `NetStream.Publish.BadName`, for example. */
  refused(status: string, description: string): Error;
  lost(reason: string, cause?: unknown): Error;
}

export interface RtmpClientParts {
  /** Connected. */
  readonly socket: Socket;
  readonly faults: RtmpFaults;
  /** Hears every message that is no answer to a command, once the client has read what concerns itself. */
  readonly onMessage?: (message: RtmpMessage) => void;
  readonly onStatus?: (status: RtmpStatus) => void;
  /** The connection is over, for this reason. Heard once. */
  readonly onFailed?: (error: Error) => void;
}

export interface RtmpStatus {
  readonly status: string;
  readonly description: string;
  readonly level: string;
}

interface Handshake {
  bytes: Uint8Array;
  readonly resolve: () => void;
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

export const HANDSHAKE_BYTES = 1536;
const CONTROL_CHANNEL = 2;
const COMMAND_CHANNEL = 3;
/** Large, so that a frame costs few headers. */
const OUT_CHUNK_BYTES = 65_536;
const PING = 6;
/** What a server has us answer and does not read: a player is asked for some bytes a second. */
const MAX_UNREAD_BYTES = 65_536;

/** The client's side of a connection by RTMP: handshake, chunks, commands and their answers. */
export class RtmpClient {
  readonly #parts: RtmpClientParts;
  readonly #socket: Socket;
  readonly #reader = new ChunkReader();
  readonly #answers = new Map<number, Waiting<AmfValue[]>>();
  #wanted: (Waiting<void> & { readonly status: string }) | undefined;
  #handshake: Handshake | undefined;
  #failed: Error | undefined;
  #nextCall = 1;
  #received = 0;
  #window = 2_500_000;
  #acknowledged = 0;
  #unread = 0;

  constructor(parts: RtmpClientParts) {
    const { socket, faults } = parts;
    this.#parts = parts;
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error) => this.fail(isCodedError(error) ? error : faults.lost(error.message, error)));
    socket.on("close", () => this.fail(faults.lost("the server closed")));
  }

  get failed(): Error | undefined {
    return this.#failed;
  }

  /** Shakes hands and connects. `facts`: what the server is told of this client, its `app` above all. */
  async start(facts: ReadonlyMap<string, AmfValue>): Promise<void> {
    const shaken = new Promise<void>((resolve, reject) => {
      this.#handshake = { bytes: new Uint8Array(0), resolve };
      if (this.#failed) reject(this.#failed);
      this.#socket.once("close", () => reject(this.#failed));
    });
    this.#write(Buffer.concat([Uint8Array.of(3), Buffer.alloc(8), randomBytes(HANDSHAKE_BYTES - 8)]));
    await shaken;
    const size = Buffer.alloc(4);
    size.writeUInt32BE(OUT_CHUNK_BYTES);
    this.#control(messageTypes.setChunkSize, size);
    await this.call("connect", new Map(facts));
  }

  /** The number of a message stream of our own. */
  async createStream(): Promise<number> {
    const [, stream] = await this.call("createStream", null);
    const isNumber = typeof stream === "number" && Number.isInteger(stream) && stream >= 0 && stream < 2 ** 32;
    return isNumber ? stream : 1;
  }

  /** Resolves with what stands in the answer behind its number. */
  call(name: string, object: AmfValue): Promise<AmfValue[]> {
    const id = this.#nextCall++;
    return new Promise((resolve, reject) => {
      if (this.#failed) reject(this.#failed);
      this.#answers.set(id, { resolve, reject });
      this.#command([name, id, object], 0);
    });
  }

  /** A command whose answer nobody waits for. */
  tell(name: string, values: readonly AmfValue[], stream = 0): void {
    this.#command([name, this.#nextCall++, null, ...values], stream);
  }

  /** Resolves when the server has said so; rejects where it says no instead. */
  untilStatus(status: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failed) reject(this.#failed);
      this.#wanted = { status, resolve, reject };
    });
  }

  /** Whether there is room for more. */
  send(channel: number, type: number, stream: number, timeMs: number, body: Uint8Array): boolean {
    return this.#write(writeMessage(channel, type, stream, body, { timeMs, chunkBytes: OUT_CHUNK_BYTES }));
  }

  /** The first reason stays. */
  fail(error: Error): void {
    if (this.#failed === undefined) {
      this.#failed = error;
      for (const answer of this.#answers.values()) answer.reject(error);
      this.#answers.clear();
      this.#wanted?.reject(error);
      this.#parts.onFailed?.(error);
    }
    this.#socket.destroy();
  }

  /** The connection goes on, towards its end: nothing that happens to it is a failure. */
  leave(reason: string): void {
    this.#failed ??= this.#parts.faults.lost(reason);
  }

  #command(values: readonly AmfValue[], stream: number): void {
    this.send(COMMAND_CHANNEL, messageTypes.command, stream, 0, encodeAmf(values));
  }

  #control(type: number, body: Uint8Array): void {
    this.send(CONTROL_CHANNEL, type, 0, 0, body);
  }

  /** Media that waits to be sent is not the server's doing; answers are, as many as it likes. */
  #answer(type: number, body: Uint8Array): void {
    if (!this.#socket.writable) return;
    const bytes = writeMessage(CONTROL_CHANNEL, type, 0, body, { timeMs: 0, chunkBytes: OUT_CHUNK_BYTES });
    this.#unread += bytes.length;
    this.#socket.write(bytes, () => {
      this.#unread -= bytes.length;
    });
    if (this.#unread > MAX_UNREAD_BYTES) this.fail(this.#parts.faults.lost("the server reads nothing"));
  }

  #write(bytes: Uint8Array): boolean {
    return this.#socket.writable && this.#socket.write(bytes);
  }

  #onData(chunk: Uint8Array): void {
    try {
      this.#take(chunk);
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.fail(this.#parts.faults.lost(error.code, error));
    }
  }

  #take(chunk: Uint8Array): void {
    if (this.#handshake !== undefined) {
      this.#shake(this.#handshake, chunk);
      return;
    }
    this.#received += chunk.length;
    this.#acknowledge();
    for (const message of this.#reader.read(chunk)) {
      if (this.#failed !== undefined) return;
      this.#onMessage(message);
    }
  }

  #shake(handshake: Handshake, chunk: Uint8Array): void {
    const bytes = Buffer.concat([handshake.bytes, chunk]);
    handshake.bytes = bytes;
    if (bytes[0] !== 3) {
      this.fail(this.#parts.faults.lost("another protocol"));
      return;
    }
    const wanted = 1 + 2 * HANDSHAKE_BYTES;
    if (bytes.length < wanted) return;
    this.#write(bytes.subarray(1, 1 + HANDSHAKE_BYTES));
    this.#handshake = undefined;
    handshake.resolve();
    if (bytes.length > wanted) this.#take(bytes.subarray(wanted));
  }

  #acknowledge(): void {
    if (this.#received - this.#acknowledged < this.#window / 2) return;
    this.#acknowledged = this.#received;
    const body = Buffer.alloc(4);
    body.writeUInt32BE(this.#received % 2 ** 32);
    this.#answer(messageTypes.acknowledgement, body);
  }

  #onMessage(message: RtmpMessage): void {
    const { type, payload } = message;
    if (type === messageTypes.setChunkSize) this.#reader.setChunkSize(readUint32(message) & 0x7fffffff);
    else if (type === messageTypes.abort) this.#reader.abort(readUint32(message));
    else if (type === messageTypes.windowSize) this.#window = Math.max(readUint32(message), 1_024);
    else if (type === messageTypes.userControl) this.#answerPing(payload);
    else if (type === messageTypes.command) this.#onCommand(decodeAmf(payload));
    // AMF3 commands carry AMF0 after one byte.
    else if (type === messageTypes.commandAmf3) this.#onCommand(decodeAmf(payload.subarray(1)));
    this.#parts.onMessage?.(message);
  }

  #answerPing(payload: Uint8Array): void {
    if (payload.length < 6 || payload[0] !== 0 || payload[1] !== PING) return;
    this.#answer(messageTypes.userControl, Uint8Array.of(0, PING + 1, ...payload.subarray(2, 6)));
  }

  #onCommand([name, id, ...rest]: AmfValue[]): void {
    if (name === "onStatus") this.#onStatus(readStatus(rest[1]));
    if (name !== "_result" && name !== "_error") return;
    const answer = typeof id === "number" ? this.#answers.get(id) : undefined;
    if (answer === undefined) return;
    // A refusal is the end of all that waits, this one too.
    if (name === "_error") this.#refuse(readStatus(rest[1]));
    this.#answers.delete(id as number);
    answer.resolve(rest);
  }

  #onStatus({ status, level, description }: RtmpStatus): void {
    if (status === this.#wanted?.status) {
      this.#wanted.resolve();
      this.#wanted = undefined;
    } else if (level === "error" || status === "NetStream.Publish.BadName") {
      this.#refuse({ status, level, description });
    } else this.#parts.onStatus?.({ status, level, description });
  }

  #refuse({ status, description }: RtmpStatus): void {
    this.fail(this.#parts.faults.refused(status, description));
  }
}

/** What a server says of a stream or a connection. */
export function readStatus(info: AmfValue): RtmpStatus {
  const text = (name: string) => {
    const value = info instanceof Map ? info.get(name) : undefined;
    return typeof value === "string" ? value : "";
  };
  return { status: text("code"), description: text("description"), level: text("level") };
}

/** Where a stream is, as RTMP says it: the first part of a path is the application, all that follows its name. */
export interface RtmpPlace {
  readonly app: string;
  readonly name: string;
}

export function readPlace(path: string): RtmpPlace | undefined {
  const [, app, name] = /^\/([^/]+)\/(.+)$/s.exec(path) ?? [];
  return app === undefined || name === undefined ? undefined : { app, name };
}
