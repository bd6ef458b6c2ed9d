import { type ReceptionFacts, writeReceiverReport } from "../webrtc/rtcp.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";
import { ReorderBuffer, type ReorderLimits } from "./reorder-buffer.ts";

/** One source as it arrives: its packets in order, and what is reported of it. Another source takes its place. */
export class Reception {
  readonly #limits: ReorderLimits;
  readonly #rate: number;
  readonly #startMs: number;
  #buffer: ReorderBuffer;
  #ssrc: number | undefined;
  #jitter = 0;
  #lastTransit: number | undefined;
  #before = { received: 0, expected: 0 };
  #report: { readonly ntpMs: number; readonly atMs: number } | undefined;

  constructor(limits: ReorderLimits, rate: number, startMs: number) {
    this.#limits = limits;
    this.#rate = rate;
    this.#startMs = startMs;
    this.#buffer = new ReorderBuffer(limits);
  }

  get ssrc(): number | undefined {
    return this.#ssrc;
  }

  get heldPackets(): number {
    return this.#buffer.heldPackets;
  }

  push(packet: RtpPacket, nowMs: number): (RtpPacket | "lost")[] {
    const isNew = packet.ssrc !== this.#ssrc;
    const began = isNew && this.#ssrc !== undefined;
    if (isNew) this.#begin(packet.ssrc);
    this.#measure(packet.timestamp, nowMs);
    const packets = this.#buffer.push(packet, nowMs);
    return began ? ["lost", ...packets] : packets;
  }

  release(nowMs: number): (RtpPacket | "lost")[] {
    return this.#buffer.release(nowMs);
  }

  asks(nowMs: number): number[] {
    return this.#buffer.asks(nowMs);
  }

  /** A report of the sender came. */
  report(ntpMs: number, nowMs: number): void {
    this.#report = { ntpMs, atMs: nowMs };
  }

  /** What its sender is told; undefined before its first packet. */
  receiverReport(sender: number, nowMs: number): Uint8Array | undefined {
    if (this.#ssrc === undefined) return undefined;
    const { received, expected, highest } = this.#buffer.counts;
    const came = received - this.#before.received;
    const due = expected - this.#before.expected;
    this.#before = { received, expected };
    const facts: ReceptionFacts = {
      ssrc: this.#ssrc,
      fractionLost: due <= 0 ? 0 : Math.max(0, (due - came) / due),
      lost: expected - received,
      highest,
      jitter: this.#jitter,
      lastReport: this.#report === undefined ? 0 : Math.floor((this.#report.ntpMs / 1000) * 65_536) % 2 ** 32,
      sinceLastReport: this.#report === undefined ? 0 : Math.round(((nowMs - this.#report.atMs) / 1000) * 65_536),
    };
    return writeReceiverReport(sender, facts);
  }

  #begin(ssrc: number): void {
    this.#ssrc = ssrc;
    this.#buffer = new ReorderBuffer(this.#limits);
    this.#before = { received: 0, expected: 0 };
    this.#jitter = 0;
    this.#lastTransit = undefined;
    this.#report = undefined;
  }

  /** RFC 3550, 6.4.1. */
  #measure(timestamp: number, nowMs: number): void {
    const transit = ((nowMs - this.#startMs) * this.#rate) / 1000 - timestamp;
    // A wrap of the clock is no jitter.
    const step = this.#lastTransit === undefined ? 0 : Math.abs(transit - this.#lastTransit);
    if (step < this.#rate * 10) this.#jitter += (step - this.#jitter) / 16;
    this.#lastTransit = transit;
  }
}
