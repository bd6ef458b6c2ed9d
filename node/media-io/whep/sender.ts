import { writeSenderReport } from "../webrtc/rtcp.ts";
import { RTP_HEAD_BYTES, writeRtpHead } from "../webrtc/rtp.ts";
import { PlayoutDelay } from "./playout-delay.ts";

interface SentPacket {
  readonly packet: Uint8Array;
  readonly timestamp: number;
  readonly marker: boolean;
}

export interface SenderOptions {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly rate: number;
  /** Where its numbers begin: anywhere, so that nobody can guess them. */
  readonly firstSequence: number;
  readonly firstTimestamp: number;
  /** Where the viewer can be told how late to show what comes. */
  readonly playoutDelayId?: number | undefined;
  readonly send: (packet: Uint8Array) => boolean;
}

/** Packets that can be sent again: a second of 8 Mb/s. */
const KEPT_PACKETS = 1_024;
/** What one wish for packets may bring, and how many of them a second: a viewer shall not make us send for ever. */
const MAX_RESENT_AT_ONCE = 128;
const MAX_RESENT_PER_SECOND = 600;

/** One track towards one viewer: numbers, times, what is sent again, and what is reported. */
export class RtpSender {
  readonly #options: SenderOptions;
  readonly #kept: (SentPacket | undefined)[] = [];
  #next = 0;
  #packets = 0;
  #bytes = 0;
  #resent = 0;
  readonly #delay = new PlayoutDelay();
  #lastTimestamp: number | undefined;
  /** What a report says: the newest frame's time on the wall and on the track. */
  #newest: { readonly wallMs: number; readonly timestamp: number } | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** The newest time that was given, ticks; undefined before the first. */
  get lastTimestamp(): number | undefined {
    return this.#lastTimestamp;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Ticks of the track for a time of the wall; they rise with every frame. */
  ticksAt(wallMs: number): number {
    return Math.round((wallMs * this.#options.rate) / 1000);
  }

  /** Notes a frame's time; gives the ticks that it gets. */
  stamp(ticks: number, wallMs: number): number {
    const timestamp = this.#lastTimestamp === undefined ? ticks : Math.max(ticks, this.#lastTimestamp + 1);
    this.#lastTimestamp = timestamp;
    this.#newest = { wallMs, timestamp };
    return timestamp;
  }

  /**
   * Sends a packet, whose first bytes are room for its head. Many viewers share it: its head is written anew. False
   * where it did not go out now; it can be asked for again all the same.
   */
  send(packet: Uint8Array, timestamp: number, marker: boolean): boolean {
    const sent = { packet, timestamp, marker };
    this.#kept[this.#next % KEPT_PACKETS] = sent;
    const wentOut = this.#write(sent, this.#next);
    this.#next += 1;
    this.#packets += 1;
    this.#bytes += packet.length - RTP_HEAD_BYTES;
    return wentOut;
  }

  /** The viewer misses these. */
  resend(sequences: readonly number[]): void {
    this.#delay.miss(sequences.length);
    for (const sequence of sequences.slice(0, MAX_RESENT_AT_ONCE)) {
      const back = (this.#options.firstSequence + this.#next - 1 - sequence) & 0xffff;
      const number = this.#next - 1 - back;
      if (back >= KEPT_PACKETS || number < 0 || this.#resent >= MAX_RESENT_PER_SECOND) continue;
      this.#resent += 1;
      this.#write(this.#kept[number % KEPT_PACKETS]!, number);
    }
  }

  /** To be called once a second. */
  report(): void {
    this.#resent = 0;
    this.#delay.tell();
    if (this.#newest === undefined) return;
    const { ssrc, firstTimestamp, send } = this.#options;
    const { wallMs, timestamp } = this.#newest;
    const facts = { ssrc, wallMs, packets: this.#packets, bytes: this.#bytes };
    send(writeSenderReport({ ...facts, timestamp: (timestamp + firstTimestamp) % 2 ** 32 }));
  }

  #write({ packet, timestamp, marker }: SentPacket, number: number): boolean {
    const { ssrc, payloadType, firstSequence, firstTimestamp, playoutDelayId: id, send } = this.#options;
    const sequence = (firstSequence + number) & 0xffff;
    const head = { payloadType, marker, sequence, timestamp: (timestamp + firstTimestamp) % 2 ** 32, ssrc };
    const leastMs = this.#delay.ms;
    const playoutDelay = id === undefined || leastMs === undefined ? undefined : { id, leastMs };
    return send(writeRtpHead(packet, playoutDelay === undefined ? head : { ...head, playoutDelay }));
  }
}
