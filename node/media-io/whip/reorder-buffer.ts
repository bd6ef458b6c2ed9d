import { type RtpPacket, Unwrapper } from "../webrtc/rtp.ts";

export interface ReorderLimits {
  /** Packets that the newest may be ahead of the one that is waited for. */
  readonly maxPackets: number;
  /** How long a packet that is missing is waited for. */
  readonly waitMs: number;
}

interface Missing {
  readonly sinceMs: number;
  askedMs: number;
  asks: number;
}

/** A packet so far back belongs to a count that the sender began anew, if the next one follows it. */
const FAR_BEHIND = 3_000;
/** A packet that is merely overtaken is not asked for. */
const ASK_AFTER_MS = 10;
const ASK_AGAIN_MS = 40;
const MAX_ASKS = 6;
const MAX_ASKED_AT_ONCE = 128;

/**
 * Puts the packets of one source in order. What is missing is asked for, waited for, and then given up, so that a
 * loss costs `waitMs` at most and nothing where nothing is lost.
 */
export class ReorderBuffer {
  readonly #limits: ReorderLimits;
  readonly #unwrapper = new Unwrapper(16);
  readonly #held = new Map<number, RtpPacket>();
  readonly #missing = new Map<number, Missing>();
  #next: number | undefined;
  #highest = -1;
  #stray: number | undefined;
  #received = 0;
  #first = 0;

  constructor(limits: ReorderLimits) {
    this.#limits = limits;
  }

  get heldPackets(): number {
    return this.#held.size;
  }

  /** Packets that came, that should have, and the newest's number with the count of wraps above its 16 bits. */
  get counts(): { readonly received: number; readonly expected: number; readonly highest: number } {
    return { received: this.#received, expected: this.#highest - this.#first + 1, highest: this.#highest };
  }

  /** Packets that can go on now, in order; "lost" stands for one or more that will never come. */
  push(packet: RtpPacket, nowMs: number): (RtpPacket | "lost")[] {
    const sequence = this.#unwrapper.peek(packet.sequence);
    if (this.#next !== undefined && sequence < this.#next - FAR_BEHIND) return this.#takeStray(packet, nowMs);
    this.#unwrapper.unwrap(packet.sequence);
    if (this.#next === undefined) this.#begin(sequence);
    if (sequence < this.#next! || this.#held.has(sequence)) return [];
    this.#received += 1;
    this.#held.set(sequence, packet);
    this.#missing.delete(sequence);
    const from = Math.max(this.#highest + 1, sequence - this.#limits.maxPackets, this.#next!);
    for (let gap = from; gap < sequence; gap += 1) this.#missing.set(gap, { sinceMs: nowMs, askedMs: 0, asks: 0 });
    this.#highest = Math.max(this.#highest, sequence);
    return this.release(nowMs);
  }

  /** What can go on by the time alone. */
  release(nowMs: number): (RtpPacket | "lost")[] {
    const out: (RtpPacket | "lost")[] = [];
    while (this.#next !== undefined && this.#held.size > 0) {
      const packet = this.#held.get(this.#next);
      if (packet !== undefined) {
        out.push(packet);
        this.#held.delete(this.#next);
        this.#next += 1;
        continue;
      }
      if (!this.#isGivenUp(this.#next, nowMs)) break;
      const next = Math.min(...this.#held.keys());
      // Whatever lies between waited as long, or is as far back.
      for (const gap of this.#missing.keys()) if (gap < next) this.#missing.delete(gap);
      this.#next = next;
      out.push("lost");
    }
    return out;
  }

  /** Numbers to ask for now, in order. */
  asks(nowMs: number): number[] {
    const wanted: number[] = [];
    for (const [sequence, missing] of this.#missing) {
      const isDue =
        missing.asks === 0 ? nowMs - missing.sinceMs >= ASK_AFTER_MS : nowMs - missing.askedMs >= ASK_AGAIN_MS;
      if (!isDue || missing.asks >= MAX_ASKS || wanted.length >= MAX_ASKED_AT_ONCE) continue;
      missing.asks += 1;
      missing.askedMs = nowMs;
      wanted.push(sequence & 0xffff);
    }
    return wanted;
  }

  #begin(sequence: number): void {
    this.#next = sequence;
    this.#first = sequence;
    this.#highest = sequence - 1;
  }

  #isGivenUp(sequence: number, nowMs: number): boolean {
    const { maxPackets, waitMs } = this.#limits;
    if (this.#highest - sequence >= maxPackets) return true;
    const missing = this.#missing.get(sequence);
    return missing === undefined || nowMs - missing.sinceMs >= waitMs;
  }

  /** One of these is a packet that is far too late; two that follow each other are a sender that counts anew. */
  #takeStray(packet: RtpPacket, nowMs: number): (RtpPacket | "lost")[] {
    const isSecond = packet.sequence === this.#stray;
    this.#stray = (packet.sequence + 1) & 0xffff;
    if (!isSecond) return [];
    this.#stray = undefined;
    this.#held.clear();
    this.#missing.clear();
    this.#received = 0;
    this.#begin(this.#unwrapper.unwrap(packet.sequence));
    return ["lost", ...this.push(packet, nowMs)];
  }
}
