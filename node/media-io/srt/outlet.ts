import type { SrtLibrary } from "./library.ts";

/** libsrt's usual payload: seven packets of a transport stream. */
const PAYLOAD_BYTES = 1_316;
/** libsrt gives up what is not acknowledged a second after it was sent, or after the receiver's latency if that is more. */
const GIVEN_UP_MS = 1_000;
/** So long before that it will hardly be in time any more. */
const TOO_LATE_MS = 300;
/** Marks between which an age is told. */
const MARK_MS = 50;

/** What leaves for one viewer: handed to libsrt as fast as the viewer acknowledges, in messages of whole packets. */
export class SrtOutlet {
  readonly #library: Pick<SrtLibrary, "send" | "unacknowledged" | "latencyOf">;
  readonly #socket: number;
  #waiting: Uint8Array[] = [];
  #handedBytes = 0;
  /** How much was handed over until when. */
  #marks: { readonly bytes: number; readonly atMs: number }[] = [];
  /** How long something may be unacknowledged: known once there is a connection. */
  #longestMs: number | undefined;

  constructor(library: Pick<SrtLibrary, "send" | "unacknowledged" | "latencyOf">, socket: number) {
    this.#library = library;
    this.#socket = socket;
  }

  /** Whether the viewer has all. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#library.unacknowledged(this.#socket) === 0;
  }

  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
  }

  /** Hands over what can be; gives how many bytes that were. */
  drain(nowMs: number): number {
    if (this.#waiting.length === 0 || this.#isLate(nowMs)) return 0;
    const bytes = this.#waiting.length === 1 ? this.#waiting[0]! : Buffer.concat(this.#waiting);
    let at = 0;
    while (at < bytes.length) {
      const message = bytes.subarray(at, at + PAYLOAD_BYTES);
      if (this.#library.send(this.#socket, message, message.length) < 0) break;
      at += message.length;
    }
    this.#waiting = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#handedBytes += at;
    if (nowMs - (this.#marks.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY) >= MARK_MS) {
      this.#marks.push({ bytes: this.#handedBytes, atMs: nowMs });
    }
    return at;
  }

  #isLate(nowMs: number): boolean {
    const acknowledged = this.#handedBytes - this.#library.unacknowledged(this.#socket);
    while (this.#marks[0] !== undefined && this.#marks[0].bytes <= acknowledged) this.#marks.shift();
    const [oldest] = this.#marks;
    if (oldest === undefined) return false;
    this.#longestMs ??= Math.max(GIVEN_UP_MS, this.#library.latencyOf(this.#socket)) - TOO_LATE_MS;
    return nowMs - oldest.atMs > this.#longestMs;
  }
}
