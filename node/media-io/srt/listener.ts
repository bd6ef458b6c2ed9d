import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { SrtError } from "./errors.ts";
import { EVENT_BYTES, type SrtLibrary, srtEvents, srtStates } from "./library.ts";
import type { FromSrtThread, SrtThreadData, ToSrtThread } from "./messages.ts";
import { SrtOutlet } from "./outlet.ts";
import { passphraseOf } from "./passphrase.ts";
import { RefusalMemory } from "./refusal-memory.ts";
import { rejectReasonOf } from "./reject-reasons.ts";
import { parseStreamId, type SrtTarget } from "./stream-id.ts";

interface Connection {
  readonly id: number;
  readonly socket: number;
  readonly address: string;
  readonly name: string;
  /** Of a viewer alone. */
  readonly outlet: SrtOutlet | undefined;
  /** Sent on to the node's own thread and not taken there yet. */
  waiting: number;
  lastDataMs: number;
  /** How long what comes is held back: nothing comes earlier than that. */
  heldBackMs: number;
  /**
   * When it is closed at the latest. Its publisher is gone: what libsrt holds back until its time is still read. Or its
   * viewer gets nothing more: what is under way still arrives.
   */
  endsAtMs: number | undefined;
  /** Of a viewer: it has not acknowledged all yet. */
  finishing: boolean;
  /** We called, and nobody has answered yet. */
  calling: boolean;
}

/** Packets wait for so long at most before they are fetched: little beside any latency that SRT works with. */
const TICK_MS = 10;
/** Where nobody is connected only handshakes wait. */
const IDLE_TICK_MS = 50;
/** libsrt's largest payload. */
const MAX_MESSAGE_BYTES = 1_456;
/** Of one connection in one tick: 26 MB/s, as fast as a publisher by RTMP may be. */
const MAX_TICK_BYTES = 262_144;
/** A node that is this far behind leaves the rest to libsrt's own bounded buffer, which drops what is too old. */
const MAX_WAITING_BYTES = 2 * 2 ** 20;
const BACKLOG = 64;
/** What a library without encryption refuses to take. */
const TRIAL_PASSPHRASE = "a trial passphrase";
/** What is not acknowledged a second after it was sent is given up by libsrt. */
const FINISH_MS = 1_000;
/** Beyond the latency, after which nothing is held back any more. */
const DRAIN_MS = 50;
/** What a source that is called may send within its latency: ten seconds of 25 Mb/s. libsrt's own is a third of it. */
const CALL_BUFFER_BYTES = 32 << 20;

type ListenerMessage = Extract<ToSrtThread, { type: "taken" | "send" | "close" | "finish" | "call" }>;

/** One UDP port of libsrt, polled and never waited for: lives on a thread of its own. */
export class SrtListener {
  readonly #library: SrtLibrary;
  readonly #data: SrtThreadData;
  readonly #send: (message: FromSrtThread, transfer?: ArrayBuffer[]) => void;
  readonly #bySocket = new Map<number, Connection>();
  readonly #byId = new Map<number, Connection>();
  readonly #refusals = new RefusalMemory();
  readonly #events: Buffer;
  readonly #message = Buffer.alloc(MAX_MESSAGE_BYTES);
  readonly #batch = new Uint8Array(MAX_TICK_BYTES);
  #socket = -1;
  #poll = -1;
  #unhook: (() => void) | undefined;
  #nextId: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    library: SrtLibrary,
    data: SrtThreadData,
    send: (message: FromSrtThread, transfer?: ArrayBuffer[]) => void,
  ) {
    this.#library = library;
    this.#data = data;
    this.#nextId = data.firstId;
    this.#send = send;
    this.#events = Buffer.alloc(EVENT_BYTES * (data.maxConnections + data.maxViewers + BACKLOG));
  }

  /** False where the port cannot be had: that is told. */
  start(): boolean {
    const { host, port, latencyMs } = this.#data;
    const srt = this.#library;
    srt.start();
    this.#socket = srt.create();
    if (!this.#canEncrypt()) {
      this.#send({ type: "failed", why: "library", reason: "built without encryption" });
      return false;
    }
    const set = [
      srt.neverWait(this.#socket),
      srt.setLatency(this.#socket, latencyMs),
      host.includes(":") ? srt.takeBothFamilies(this.#socket) : 0,
    ];
    if (set.some((result) => result !== 0)) {
      this.#send({ type: "failed", why: "library", reason: "refuses an option that it must have" });
      return false;
    }
    this.#unhook = srt.hook(this.#socket, (socket, address, streamId) => this.#judge(socket, address, streamId));
    if (srt.bind(this.#socket, host, port) !== 0 || srt.listen(this.#socket, BACKLOG) !== 0) {
      const reason = srt.lastSystemError();
      const why = reason === constants.errno.EADDRINUSE ? "busy" : "address";
      this.#send({ type: "failed", why, reason: getSystemErrorMap().get(-reason)?.[0] ?? `${reason}` });
      return false;
    }
    this.#poll = srt.createPoll();
    srt.watch(this.#poll, this.#socket);
    this.#send({ type: "listening", port: srt.portOf(this.#socket), version: srt.version() });
    this.#tick();
    return true;
  }

  handle(message: ListenerMessage): void {
    if (message.type === "call") {
      this.#call(message);
      return;
    }
    const connection = this.#byId.get(message.id);
    if (connection === undefined) return;
    if (message.type === "taken") {
      connection.waiting -= message.bytes;
      return;
    }
    if (message.type === "send") {
      connection.outlet?.push(message.bytes);
      this.#drain(connection, performance.now());
      return;
    }
    if (message.type === "finish") {
      connection.endsAtMs = performance.now() + FINISH_MS;
      connection.finishing = true;
      return;
    }
    const { address, name } = connection;
    const isLimited = message.code === "INGEST_KEYS_LIMITED";
    if (message.code !== undefined) {
      this.#refusals.keep(address, isLimited ? undefined : name, message.code, performance.now());
    }
    this.#close(connection);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    const sockets = [...this.#bySocket.keys(), this.#socket];
    await Promise.all(sockets.map((socket) => this.#library.closeLater(socket)));
    await this.#library.stop();
    this.#unhook?.();
  }

  /** Where passphrases are not heeded, whoever saw a stream id could publish under it. */
  #canEncrypt(): boolean {
    const trial = this.#library.create();
    const result = this.#library.setPassphrase(trial, TRIAL_PASSPHRASE);
    void this.#library.closeLater(trial);
    return result === 0;
  }

  /** A thread of libsrt waits for this, and with it every packet of the port: nothing is asked and nothing is awaited. */
  #judge(socket: number, address: string, streamId: string): number {
    try {
      const { encryptedOnly, secret } = this.#data;
      if (this.#stopped) throw new SrtError({ code: "SRT_STOPPED" });
      const target = parseStreamId(streamId);
      this.#checkPlace(target);
      if (target.type === "key" && encryptedOnly) throw new SrtError({ code: "SRT_KEY_UNENCRYPTED" });
      const code = this.#refusals.find(address, nameOf(target), performance.now(), target.type !== "play");
      if (code !== undefined) return this.#refuse(socket, code);
      if (target.type === "hash" && this.#library.setPassphrase(socket, passphraseOf(secret, target.keyHash)) !== 0) {
        return this.#refuse(socket, "");
      }
      return 0;
    } catch (error) {
      // Whatever leaves here would end the process.
      return this.#refuse(socket, isCodedError(error) ? error.code : "");
    }
  }

  /** Neither those who publish nor those who watch take the others' places. */
  #checkPlace({ type }: SrtTarget): void {
    const { maxConnections, maxViewers, takes, plays } = this.#data;
    const isViewer = type === "play";
    if (!(isViewer ? plays : takes)) {
      throw new SrtError({ code: "SRT_MODE_UNSUPPORTED", mode: isViewer ? "request" : "publish" });
    }
    const limit = isViewer ? maxViewers : maxConnections;
    let count = 0;
    for (const { id, outlet } of this.#bySocket.values()) {
      if (id > 0 && (outlet !== undefined) === isViewer) count += 1;
    }
    if (count >= limit) throw new SrtError({ code: "SRT_CONNECTIONS_EXCEEDED", limit });
  }

  #refuse(socket: number, code: string): number {
    this.#library.reject(socket, rejectReasonOf(code));
    this.#send({ type: "refused", code });
    return -1;
  }

  #tick(): void {
    if (this.#stopped) return;
    const nowMs = performance.now();
    const events = this.#events;
    const count = this.#library.poll(this.#poll, events, events.length / EVENT_BYTES, 0);
    for (let index = 0; index < count; index += 1) {
      const socket = events.readInt32LE(index * EVENT_BYTES);
      const connection = this.#bySocket.get(socket);
      if (socket === this.#socket) this.#accept(nowMs);
      else if (connection?.outlet !== undefined) this.#look(connection);
      else if (connection?.calling === false) {
        this.#read(connection, events.readInt32LE(index * EVENT_BYTES + 4), nowMs);
      }
    }
    for (const connection of this.#bySocket.values()) {
      if (connection.outlet !== undefined) {
        this.#drain(connection, nowMs);
        this.#finish(connection, connection.outlet, nowMs);
        continue;
      }
      if (connection.calling && !this.#isAnswered(connection)) continue;
      // We are the ones who are behind.
      if (connection.waiting >= MAX_WAITING_BYTES) connection.lastDataMs = nowMs;
      if (connection.endsAtMs !== undefined && nowMs > connection.endsAtMs) this.#lose(connection, false);
      else if (nowMs - connection.lastDataMs > this.#data.idleMs + connection.heldBackMs) this.#lose(connection, true);
    }
    this.#timer = setTimeout(() => this.#tick(), this.#bySocket.size > 0 ? TICK_MS : IDLE_TICK_MS);
  }

  #accept(nowMs: number): void {
    for (;;) {
      const accepted = this.#library.accept(this.#socket);
      if (accepted === undefined) return;
      try {
        this.#open(accepted.socket, accepted.address, nowMs);
      } catch (error) {
        // Whatever leaves here would end the thread, and with it every publisher of the port.
        void this.#library.closeLater(accepted.socket);
        this.#send({ type: "refused", code: isCodedError(error) ? error.code : "" });
      }
    }
  }

  #open(socket: number, address: string, nowMs: number): void {
    const target = parseStreamId(this.#library.streamIdOf(socket));
    const connection = {
      id: this.#nextId,
      socket,
      address,
      name: nameOf(target),
      outlet: target.type === "play" ? new SrtOutlet(this.#library, socket) : undefined,
      waiting: 0,
      lastDataMs: nowMs,
      heldBackMs: this.#library.heldBackOf(socket),
      endsAtMs: undefined,
      finishing: false,
      calling: false,
    };
    this.#nextId += 1;
    this.#library.neverWait(socket);
    this.#library.watch(this.#poll, socket);
    this.#bySocket.set(socket, connection);
    this.#byId.set(connection.id, connection);
    this.#send({ type: "opened", id: connection.id, address, target });
  }

  #call(callee: Extract<ToSrtThread, { type: "call" }>): void {
    const { id, address, port, streamId, passphrase, latencyMs = this.#data.latencyMs } = callee;
    const srt = this.#library;
    const socket = srt.create();
    const set = [
      srt.neverWait(socket),
      srt.setLatency(socket, latencyMs),
      srt.setReceiveBuffer(socket, CALL_BUFFER_BYTES),
      streamId === "" ? 0 : srt.setStreamId(socket, streamId),
      passphrase === undefined ? 0 : srt.setPassphrase(socket, passphrase),
    ];
    if (this.#stopped || set.some((result) => result !== 0) || srt.connect(socket, address, port) !== 0) {
      void srt.closeLater(socket);
      this.#send({ type: "unanswered", id, reason: 0 });
      return;
    }
    srt.watch(this.#poll, socket);
    const name = "";
    const times = { lastDataMs: performance.now(), heldBackMs: 0, endsAtMs: undefined };
    const connection = {
      id,
      socket,
      address,
      name,
      outlet: undefined,
      waiting: 0,
      ...times,
      finishing: false,
      calling: true,
    };
    this.#bySocket.set(socket, connection);
    this.#byId.set(id, connection);
  }

  /** libsrt itself gives up after three seconds. */
  #isAnswered(connection: Connection): boolean {
    const state = this.#library.state(connection.socket);
    if (state === srtStates.connected) {
      connection.calling = false;
      connection.heldBackMs = this.#library.heldBackOf(connection.socket);
      connection.lastDataMs = performance.now();
      return true;
    }
    if (state <= srtStates.connecting) return false;
    const reason = this.#library.rejectReason(connection.socket);
    this.#close(connection);
    this.#send({ type: "unanswered", id: connection.id, reason });
    return false;
  }

  #read(connection: Connection, events: number, nowMs: number): void {
    const batch = this.#batch;
    let size = 0;
    while (size + MAX_MESSAGE_BYTES <= batch.length && connection.waiting + size < MAX_WAITING_BYTES) {
      const received = this.#library.receive(connection.socket, this.#message, MAX_MESSAGE_BYTES);
      if (received <= 0) break;
      batch.set(this.#message.subarray(0, received), size);
      size += received;
    }
    if (size > 0) {
      connection.lastDataMs = nowMs;
      connection.waiting += size;
      const bytes = batch.slice(0, size);
      this.#send({ type: "data", id: connection.id, bytes }, [bytes.buffer]);
      return;
    }
    const isOver = (events & srtEvents.error) !== 0 || this.#library.state(connection.socket) !== srtStates.connected;
    if (isOver) connection.endsAtMs ??= nowMs + connection.heldBackMs + DRAIN_MS;
  }

  #drain({ id, outlet }: Connection, nowMs: number): void {
    const bytes = outlet?.drain(nowMs) ?? 0;
    if (bytes > 0) this.#send({ type: "sent", id, bytes });
  }

  /** A viewer that has all may still hold it back, and programs let go of what they hold when the connection ends. */
  #finish(connection: Connection, outlet: SrtOutlet, nowMs: number): void {
    if (connection.endsAtMs === undefined) return;
    if (connection.finishing && outlet.isEmpty) {
      connection.finishing = false;
      connection.endsAtMs = nowMs + this.#library.latencyOf(connection.socket) + DRAIN_MS;
    }
    if (nowMs > connection.endsAtMs) this.#lose(connection, false);
  }

  /** What a viewer sends is left to libsrt's own bounded buffer; that it is gone is heard. */
  #look(connection: Connection): void {
    if (this.#library.state(connection.socket) !== srtStates.connected) this.#lose(connection, false);
  }

  #lose(connection: Connection, idle: boolean): void {
    this.#close(connection);
    this.#send({ type: "closed", id: connection.id, idle });
  }

  #close(connection: Connection): void {
    this.#bySocket.delete(connection.socket);
    this.#byId.delete(connection.id);
    void this.#library.closeLater(connection.socket);
  }
}

function nameOf(target: SrtTarget): string {
  if (target.type === "play") return `play ${target.slug} ${target.rung ?? ""} ${target.token ?? ""}`;
  return target.type === "key" ? target.key : target.keyHash;
}
