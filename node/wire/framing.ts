import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Stream } from "@libp2p/interface";
import { Mutex } from "../kernel/mutex.ts";
import { WireError } from "./errors.ts";
import type { FramingLimits, FramingMetrics } from "./framing-limits.ts";
import { type ByteRuns, frameMessages, MessageAssembler, sizeOf } from "./message-assembler.ts";

/**
 * The one file that touches raw libp2p streams.
 *
 * Traps that it steers around: a stream whose connection dies "closes" without an error, so only a goodbye (the peer
 * closing its writing end) between two messages is a clean end; `onDrain()` of a stream resolves at once from its second
 * use on, so the drain event itself is waited for; a paused stream is reset when the peer fills its window, so the
 * window (`host.ts`) is smaller than the stream's read buffer.
 */

/** So much is written at once, and then it is seen whether there is room for more. */
const GATHERED_BYTES = 65_536;

interface Reader {
  resolve(result: IteratorResult<Uint8Array, undefined>): void;
  reject(error: unknown): void;
}

export class FramedStream {
  /** Proven by the peer's key in the handshake. */
  readonly remoteAddress: Address;
  readonly protocol: string;
  /** Resolves when the stream is over: undefined after goodbyes, else why. Never rejects. */
  readonly ended: Promise<Error | undefined>;
  readonly #stream: Stream;
  readonly #limits: FramingLimits;
  readonly #metrics: FramingMetrics | undefined;
  readonly #assembler: MessageAssembler;
  readonly #sending = new Mutex();
  /**
   * Messages that go out together, once all that runs now has run: each write costs a frame of the muxer and a record of
   * TLS.
   */
  #unsent: (readonly Uint8Array[])[] = [];
  #unsentBytes = 0;
  readonly #settle: (error: Error | undefined) => void;
  #failure: Error | undefined;
  #isOver = false;
  #peerSaidGoodbye = false;
  /** All that the peer sent before its goodbye was taken in. */
  #isReadOut = false;
  /** We closed: nothing more is delivered. */
  #isDeaf = false;
  #goodbye: Promise<void> | undefined;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #readers: Reader[] = [];
  #isPaused = false;
  #heardAny = false;
  #sleepingSenders: (() => void)[] = [];
  #readTimer: NodeJS.Timeout | undefined;

  constructor(stream: Stream, remoteAddress: Address, limits: FramingLimits, metrics?: FramingMetrics) {
    this.remoteAddress = remoteAddress;
    this.protocol = stream.protocol;
    this.#stream = stream;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#assembler = new MessageAssembler(limits.maxMessageBytes);
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.ended = promise;
    this.#settle = resolve;
    stream.addEventListener("drain", () => this.#onDrain());
    stream.addEventListener("remoteCloseWrite", () => {
      this.#peerSaidGoodbye = true;
    });
    stream.addEventListener("end", () => this.#onReadOut());
    stream.addEventListener("close", (event) => this.#onClose(event.error));
    this.#watchRead("first message", limits.firstMessageMs);
    // The stream keeps what came before there was a listener, and gives it to the first one: so this comes last.
    stream.addEventListener("message", (event) => this.#onBytes(event.data));
    if (stream.remoteWriteStatus === "closed") this.#peerSaidGoodbye = true;
    if (stream.readableEnded) this.#onReadOut();
    if (stream.status !== "open" && stream.status !== "closing") this.#onClose(undefined);
  }

  /**
   * Whole messages in order. Ends after the peer's goodbye or our close; throws when the stream broke. Leaving a loop
   * over it changes nothing: a second loop goes on where the first stopped.
   */
  get messages(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) };
  }

  /**
   * Sends one message, given whole or in pieces. Resolves when there is room for the next, beside what is about to be
   * written. Keeps the order of calls.
   */
  send(message: Uint8Array | readonly Uint8Array[]): Promise<void> {
    const pieces = message instanceof Uint8Array ? [message] : message;
    const size = sizeOf(pieces);
    if (size > this.#limits.maxMessageBytes || size === 0) {
      const reason = `${size} bytes, 1 to ${this.#limits.maxMessageBytes} wanted`;
      return Promise.reject(new WireError({ code: "WIRE_MESSAGE_UNSENDABLE", reason }));
    }
    return this.#sending.run(async () => {
      await this.#waitForRoom();
      this.#refuseIfOver();
      this.#gather(pieces, size);
      if (this.#failure !== undefined) throw this.#failure;
      this.#metrics?.sent.add(size, { protocol: this.protocol });
      await this.#waitForRoom();
    });
  }

  #gather(pieces: readonly Uint8Array[], size: number): void {
    this.#unsent.push(pieces);
    this.#unsentBytes += size;
    if (this.#unsentBytes >= GATHERED_BYTES) this.#write();
    else if (this.#unsent.length === 1) process.nextTick(() => this.#write());
  }

  #write(): void {
    const messages = this.#unsent;
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (this.#isOver || messages.length === 0) return;
    try {
      for (const run of frameMessages(messages)) this.#stream.send(run);
      // A peer that does not read is noticed, though nobody sends any more.
      void this.#waitForRoom();
    } catch (cause) {
      // What was taken is not sent: it must not look as if the stream went on.
      this.abort(new WireError({ code: "WIRE_STREAM_CLOSED" }, { cause }));
    }
  }

  /**
   * Goodbye: what was sent arrives, nothing more is sent, and what still arrives is dropped. Resolves when the peer said
   * goodbye too, or the stream broke, or the peer took too long and was cut off.
   */
  close(): Promise<void> {
    if (!this.#isDeaf) {
      this.#isDeaf = true;
      this.#dropQueue();
      this.#endReaders();
    }
    return this.#sayGoodbye();
  }

  /** Ends both directions at once. The peer sees a reset. */
  abort(error: Error): void {
    if (this.#isOver) return;
    this.#failure ??= error;
    // What was sent before may tell the peer why.
    this.#write();
    this.#stream.abort(error);
    this.#onClose(error);
  }

  #sayGoodbye(): Promise<void> {
    this.#goodbye ??= this.#closeStream();
    return this.#goodbye;
  }

  async #closeStream(): Promise<void> {
    if (this.#isOver) return;
    const timer = setTimeout(
      () => this.abort(new WireError({ code: "WIRE_PEER_SLOW", waitedFor: "close" })),
      this.#limits.closeMs,
    );
    try {
      await this.#sending.run(async () => {
        this.#write();
        await this.#stream.close();
      });
    } catch {
      // It broke meanwhile: `ended` says how.
    }
    await this.ended;
    clearTimeout(timer);
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const message = this.#queue.shift();
    if (message !== undefined) {
      this.#queuedBytes -= message.byteLength;
      if (this.#isPaused && !this.#isFull(0.5)) this.#resume();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.#isDeaf || this.#isReadOut) return Promise.resolve({ done: true, value: undefined });
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  // A listener that throws would end the process: every failure becomes the stream's.
  #onBytes(data: ByteRuns): void {
    if (this.#isDeaf || this.#isOver) return;
    try {
      this.#assembler.push(data);
      let tookAny = false;
      for (let message = this.#assembler.take(); message !== undefined; message = this.#assembler.take()) {
        tookAny = true;
        this.#deliver(message);
      }
      this.#heardAny ||= tookAny;
      if (this.#heardAny && !this.#isPaused) this.#watchRest(tookAny);
    } catch (error) {
      this.abort(error as Error);
    }
  }

  #deliver(message: Uint8Array): void {
    this.#metrics?.received.add(message.byteLength, { protocol: this.protocol });
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value: message });
      return;
    }
    this.#queue.push(message);
    this.#queuedBytes += message.byteLength;
    if (!this.#isPaused && this.#isFull(1)) this.#pause();
  }

  #isFull(share: number): boolean {
    const { maxQueuedBytes, maxQueuedMessages } = this.#limits;
    return this.#queuedBytes > maxQueuedBytes * share || this.#queue.length > maxQueuedMessages * share;
  }

  #pause(): void {
    if (this.#stream.readStatus !== "readable") return;
    this.#isPaused = true;
    // While we do not read, the peer is not the slow one.
    this.#unwatchRead();
    this.#stream.pause();
  }

  #resume(): void {
    this.#isPaused = false;
    if (this.#isOver || this.#stream.readStatus !== "paused") return;
    this.#watchRest(true);
    try {
      this.#stream.resume();
    } catch (error) {
      // Its connection closed just now.
      this.abort(error as Error);
    }
  }

  #dropQueue(): void {
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#assembler.clear();
    this.#unwatchRead();
    if (this.#isPaused) this.#resume();
  }

  #waitForRoom(): Promise<void> | undefined {
    if (this.#isOver || !this.#stream.writableNeedsDrain) return undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.abort(new WireError({ code: "WIRE_PEER_SLOW", waitedFor: "room to send" })),
        this.#limits.sendMs,
      );
      const wake = () => {
        if (!this.#isOver && this.#stream.writableNeedsDrain) {
          // Some of what waited went out and it is full again: that is progress, and earns the time anew.
          timer.refresh();
          this.#sleepingSenders.push(wake);
          return;
        }
        clearTimeout(timer);
        resolve();
      };
      this.#sleepingSenders.push(wake);
    });
  }

  #onDrain(): void {
    // The stream sends what it held back in a microtask of the same event, and may be full again after it.
    queueMicrotask(() => queueMicrotask(() => this.#wakeSenders()));
  }

  #wakeSenders(): void {
    const sleeping = this.#sleepingSenders;
    this.#sleepingSenders = [];
    for (const wake of sleeping) wake();
  }

  #refuseIfOver(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const isClosed = this.#isOver || this.#goodbye !== undefined || this.#peerSaidGoodbye;
    if (isClosed || this.#stream.writeStatus !== "writable") {
      throw new WireError({ code: "WIRE_STREAM_CLOSED" });
    }
  }

  #onReadOut(): void {
    // The stream also says "end" when it breaks: then its close event comes next, and tells.
    if (!this.#peerSaidGoodbye || this.#isOver) return;
    if (this.#assembler.missingBytes > 0) {
      this.abort(new WireError({ code: "WIRE_MESSAGE_CUT", missingBytes: this.#assembler.missingBytes }));
      return;
    }
    this.#isReadOut = true;
    this.#unwatchRead();
    this.#endReaders();
    // A goodbye is for both directions: without ours the stream would count against the limits for ever.
    void this.#sayGoodbye();
  }

  #onClose(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unwatchRead();
    this.#failure ??= this.#describeClose(error);
    if (this.#failure !== undefined) {
      const code = this.#failure instanceof WireError ? this.#failure.code : "OTHER";
      this.#metrics?.broken.add(1, { protocol: this.protocol, code });
    }
    this.#wakeSenders();
    this.#endReaders();
    this.#settle(this.#failure);
  }

  #describeClose(error: Error | undefined): Error | undefined {
    if (error !== undefined) return new WireError({ code: "WIRE_STREAM_RESET" }, { cause: error });
    if (this.#peerSaidGoodbye && (this.#isReadOut || this.#isDeaf)) return undefined;
    return new WireError({ code: "WIRE_CONNECTION_LOST" });
  }

  #endReaders(): void {
    const readers = this.#readers;
    this.#readers = [];
    for (const reader of readers) {
      if (this.#failure !== undefined && !this.#isDeaf && !this.#isReadOut) reader.reject(this.#failure);
      else reader.resolve({ done: true, value: undefined });
    }
  }

  /** Counts the time of the message that has begun; `anew` when it is another one than before. */
  #watchRest(anew: boolean): void {
    if (this.#assembler.missingBytes === 0) this.#unwatchRead();
    else if (anew || this.#readTimer === undefined) this.#watchRead("rest of message", this.#limits.restOfMessageMs);
  }

  #watchRead(waitedFor: "first message" | "rest of message", ms: number): void {
    this.#unwatchRead();
    this.#readTimer = setTimeout(() => this.abort(new WireError({ code: "WIRE_PEER_SLOW", waitedFor })), ms);
  }

  #unwatchRead(): void {
    clearTimeout(this.#readTimer);
    this.#readTimer = undefined;
  }
}
