/** A packet that waits for its turn. */
export interface PacedPacket {
  readonly packet: Uint8Array;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly queuedMs: number;
  /** Called once its turn came, with whether it went out. */
  readonly onSent?: (wentOut: boolean) => void;
}

/** Packets that may leave in one go: what a small frame has. */
const BURST_BYTES = 24_000;
/** A key frame should not take longer than a few frames' time, nor come at once into a home's queue. */
const LEAST_RATE = 1_250_000;
const TIMES_MEDIA_RATE = 5;
const RATE_OVER_MS = 2_000;
/** A viewer this far behind sees nothing of use any more. */
const LONGEST_WAIT_MS = 700;
const MAX_QUEUED_BYTES = 2_097_152;

/** Spreads what a frame brings at once over a few milliseconds, five times as fast as the media comes, and in bounds. */
export class Pacer {
  readonly #send: (packet: PacedPacket) => boolean;
  #queue: PacedPacket[] = [];
  #bytes = 0;
  #tokens = BURST_BYTES;
  #atMs: number;
  #mediaRate = 0;

  constructor(send: (packet: PacedPacket) => boolean, nowMs: number) {
    this.#send = send;
    this.#atMs = nowMs;
  }

  get queuedBytes(): number {
    return this.#bytes;
  }

  /** Whether the viewer is so late that all of it should go, up to the next key frame. */
  isBehind(nowMs: number): boolean {
    const [first] = this.#queue;
    return this.#bytes > MAX_QUEUED_BYTES || (first !== undefined && nowMs - first.queuedMs > LONGEST_WAIT_MS);
  }

  clear(): void {
    this.#queue = [];
    this.#bytes = 0;
  }

  push(packets: readonly PacedPacket[], nowMs: number): void {
    for (const one of packets) {
      this.#queue.push(one);
      this.#bytes += one.packet.length;
    }
    this.drain(nowMs);
  }

  drain(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    const rate = Math.max(LEAST_RATE, TIMES_MEDIA_RATE * this.#mediaRate);
    this.#tokens = Math.min(BURST_BYTES, this.#tokens + (rate * elapsedMs) / 1000);
    this.#mediaRate *= Math.exp(-elapsedMs / RATE_OVER_MS);
    let sent = 0;
    while (sent < this.#queue.length && this.#tokens > 0) {
      const one = this.#queue[sent]!;
      this.#tokens -= one.packet.length;
      this.#bytes -= one.packet.length;
      this.#mediaRate += (one.packet.length * 1000) / RATE_OVER_MS;
      const wentOut = this.#send(one);
      one.onSent?.(wentOut);
      sent += 1;
    }
    if (sent > 0) this.#queue.splice(0, sent);
  }
}
