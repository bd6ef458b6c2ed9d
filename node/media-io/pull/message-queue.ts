import type { Socket } from "node:net";
import { PullError } from "./errors.ts";
import type { Throttle } from "./pacing.ts";

export interface QueueLimits {
  readonly idleMs: number;
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** The last that is said to the source. */
  readonly farewell?: () => void;
}

/** A source that is not read on waits here with so much: a moment of 25 Mb/s. */
const MAX_WAITING_BYTES = 524_288;
/** What each message costs us beside its bytes: those that hold nothing are no way to send more of them. */
const MESSAGE_BYTES = 256;

/**
 * What comes of a socket in pieces of its protocol, until they are used. The socket is read no further while too much
 * waits. Only the time in which we wait counts as silence.
 */
export class MessageQueue<T> {
  /** The source has begun to send: losing it is another thing from here on. */
  isOpen = false;
  readonly #socket: Socket;
  readonly #limits: QueueLimits;
  #waiting: { readonly message: T; readonly sizeBytes: number }[] = [];
  #waitingBytes = 0;
  #failed: Error | undefined;
  #heard: () => void = () => {};

  constructor(socket: Socket, limits: QueueLimits) {
    this.#socket = socket;
    this.#limits = limits;
  }

  push(message: T, payloadBytes: number): void {
    const sizeBytes = payloadBytes + MESSAGE_BYTES;
    this.#waiting.push({ message, sizeBytes });
    this.#waitingBytes += sizeBytes;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#socket.pause();
    this.#heard();
  }

  /** Nothing comes after what waits. */
  fail(error: Error): void {
    this.#failed ??= error;
    this.#heard();
  }

  /** The socket is let go of when its reader leaves. @throws PULL_IDLE, and what it failed with */
  async *read(): AsyncGenerator<T, void> {
    const { throttle, signal } = this.#limits;
    const leave = () => this.fail(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    try {
      for (;;) {
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const { message, sizeBytes } of waiting) {
          signal.throwIfAborted();
          await throttle.take(sizeBytes, signal);
          this.#waitingBytes -= sizeBytes;
          if (this.#waitingBytes <= MAX_WAITING_BYTES) this.#socket.resume();
          yield message;
        }
        if (this.#waiting.length > 0) continue;
        if (this.#failed !== undefined) throw this.#failed;
        await this.#next();
      }
    } finally {
      signal.removeEventListener("abort", leave);
      this.#limits.farewell?.();
      this.#socket.destroy();
    }
  }

  async #next(): Promise<void> {
    const { idleMs } = this.#limits;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#heard = resolve;
    const timer = setTimeout(() => this.fail(new PullError({ code: "PULL_IDLE", timeoutMs: idleMs })), idleMs);
    await promise;
    clearTimeout(timer);
    this.#heard = () => {};
  }
}
