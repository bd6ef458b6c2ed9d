/** What a peer reports. Kinds that nobody here needs are left out. */
export type RtcpItem =
  | { readonly type: "senderReport"; readonly ssrc: number; readonly ntpMs: number; readonly timestamp: number }
  | {
      readonly type: "receiverReport";
      readonly ssrc: number;
      /** Of all packets; below zero where more came twice than were lost. */
      readonly lost: number;
      /** The greatest sequence number that came, with the count of its wraps above it: 32 bits. */
      readonly highest: number;
    }
  | { readonly type: "nack"; readonly ssrc: number; readonly sequences: readonly number[] }
  | { readonly type: "keyFrame"; readonly ssrc: number }
  | { readonly type: "bye"; readonly ssrc: number };

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const BYE = 203;
const TRANSPORT_FEEDBACK = 205;
const PAYLOAD_FEEDBACK = 206;
const PLI = 1;
const FIR = 4;
const NACK = 1;
/** A compound packet fits one datagram: more items than this are made up. */
const MAX_ITEMS = 64;
const MAX_NACKED = 512;

/** Reads what is whole; a packet that says a length beyond the end is where reading stops. */
export function parseRtcp(bytes: Uint8Array): RtcpItem[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items: RtcpItem[] = [];
  let offset = 0;
  while (offset + 8 <= bytes.length && items.length < MAX_ITEMS) {
    const end = offset + 4 + 4 * view.getUint16(offset + 2);
    if (bytes[offset]! >> 6 !== 2 || end > bytes.length || end < offset + 8) break;
    readPacket(view, offset, end, items);
    offset = end;
  }
  return items;
}

function readPacket(view: DataView, offset: number, end: number, items: RtcpItem[]): void {
  const count = view.getUint8(offset) & 0x1f;
  const type = view.getUint8(offset + 1);
  switch (type) {
    case SENDER_REPORT: {
      if (offset + 28 > end) return;
      const ntpMs = view.getUint32(offset + 8) * 1000 + (view.getUint32(offset + 12) * 1000) / 2 ** 32;
      const timestamp = view.getUint32(offset + 16);
      items.push({ type: "senderReport", ssrc: view.getUint32(offset + 4), ntpMs, timestamp });
      readReports(view, offset + 28, end, count, items);
      return;
    }
    case RECEIVER_REPORT:
      readReports(view, offset + 8, end, count, items);
      return;
    case BYE:
      items.push({ type: "bye", ssrc: view.getUint32(offset + 4) });
      return;
    case TRANSPORT_FEEDBACK:
      if (count === NACK && offset + 12 <= end) items.push(readNack(view, offset, end));
      return;
    case PAYLOAD_FEEDBACK:
      if (count === PLI && offset + 12 <= end) items.push({ type: "keyFrame", ssrc: view.getUint32(offset + 8) });
      // What is wanted stands in the entries of a FIR, not in its head.
      if (count === FIR && offset + 20 <= end) items.push({ type: "keyFrame", ssrc: view.getUint32(offset + 12) });
      return;
    default:
      return;
  }
}

function readReports(view: DataView, from: number, end: number, count: number, items: RtcpItem[]): void {
  for (let index = 0, at = from; index < count && at + 24 <= end; index += 1, at += 24) {
    // 24 bits with a sign, below a byte that tells of the newest interval alone.
    const lost = (view.getInt32(at + 4) << 8) >> 8;
    items.push({ type: "receiverReport", ssrc: view.getUint32(at), lost, highest: view.getUint32(at + 8) });
  }
}

function readNack(view: DataView, offset: number, end: number): RtcpItem {
  const sequences: number[] = [];
  for (let at = offset + 12; at + 4 <= end && sequences.length < MAX_NACKED; at += 4) {
    const first = view.getUint16(at);
    const mask = view.getUint16(at + 2);
    sequences.push(first);
    for (let bit = 0; bit < 16; bit += 1) if ((mask & (1 << bit)) !== 0) sequences.push((first + bit + 1) & 0xffff);
  }
  return { type: "nack", ssrc: view.getUint32(offset + 8), sequences };
}

/** Asks for packets again: RFC 4585. `sequences` are in order, and fit one packet of a few hundred bytes. */
export function writeNack(sender: number, ssrc: number, sequences: readonly number[]): Uint8Array {
  const entries: [first: number, mask: number][] = [];
  for (const sequence of sequences) {
    const last = entries.at(-1);
    const distance = last === undefined ? 0 : (sequence - last[0] + 0x10000) & 0xffff;
    if (last !== undefined && distance >= 1 && distance <= 16) last[1] |= 1 << (distance - 1);
    else entries.push([sequence & 0xffff, 0]);
  }
  const view = head(12 + 4 * entries.length, NACK, TRANSPORT_FEEDBACK);
  view.setUint32(4, sender);
  view.setUint32(8, ssrc);
  for (const [index, [first, mask]] of entries.entries()) {
    view.setUint16(12 + 4 * index, first);
    view.setUint16(14 + 4 * index, mask);
  }
  return bytesOf(view);
}

export function writePli(sender: number, ssrc: number): Uint8Array {
  const view = head(12, PLI, PAYLOAD_FEEDBACK);
  view.setUint32(4, sender);
  view.setUint32(8, ssrc);
  return bytesOf(view);
}

/** Up to so many bits a second may come: REMB, which Chromium and its kin still hear. */
export function writeRemb(sender: number, ssrc: number, bitrate: number): Uint8Array {
  const exponent = Math.max(0, Math.ceil(Math.log2((bitrate + 1) / 2 ** 18)));
  const mantissa = Math.floor(bitrate / 2 ** exponent);
  const view = head(24, 15, PAYLOAD_FEEDBACK);
  view.setUint32(4, sender);
  view.setUint32(12, 0x52454d42); // "REMB"
  view.setUint32(16, 0x01000000 + exponent * 2 ** 18 + mantissa);
  view.setUint32(20, ssrc);
  return bytesOf(view);
}

export interface SenderFacts {
  readonly ssrc: number;
  readonly wallMs: number;
  readonly timestamp: number;
  readonly packets: number;
  readonly bytes: number;
}

/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_EPOCH_S = 2_208_988_800;

export function writeSenderReport({ ssrc, wallMs, timestamp, packets, bytes }: SenderFacts): Uint8Array {
  const view = head(28, 0, SENDER_REPORT);
  const seconds = Math.floor(wallMs / 1000);
  view.setUint32(4, ssrc);
  view.setUint32(8, (seconds + NTP_EPOCH_S) >>> 0);
  view.setUint32(12, Math.floor(((wallMs - seconds * 1000) / 1000) * 2 ** 32) >>> 0);
  view.setUint32(16, timestamp >>> 0);
  view.setUint32(20, packets >>> 0);
  view.setUint32(24, bytes >>> 0);
  return bytesOf(view);
}

export interface ReceptionFacts {
  readonly ssrc: number;
  /** Lost of those expected since the last report, 0 to 1. */
  readonly fractionLost: number;
  readonly lost: number;
  /** With the count of wraps above its 16 bits. */
  readonly highest: number;
  /** Ticks of the media's clock. */
  readonly jitter: number;
  /** The middle 32 bits of the last sender report's time, and how long ago it came in 1/65,536 s; 0 before the first. */
  readonly lastReport: number;
  readonly sinceLastReport: number;
}

export function writeReceiverReport(sender: number, facts: ReceptionFacts): Uint8Array {
  const view = head(32, 1, RECEIVER_REPORT);
  view.setUint32(4, sender);
  view.setUint32(8, facts.ssrc);
  view.setUint32(12, Math.max(0, Math.min(0x7fffff, facts.lost)));
  view.setUint8(12, Math.max(0, Math.min(255, Math.floor(facts.fractionLost * 256))));
  view.setUint32(16, facts.highest >>> 0);
  view.setUint32(20, Math.round(facts.jitter) >>> 0);
  view.setUint32(24, facts.lastReport >>> 0);
  view.setUint32(28, facts.sinceLastReport >>> 0);
  return bytesOf(view);
}

function head(sizeBytes: number, count: number, type: number): DataView {
  const view = new DataView(new ArrayBuffer(sizeBytes));
  view.setUint8(0, 0x80 | count);
  view.setUint8(1, type);
  view.setUint16(2, sizeBytes / 4 - 1);
  return view;
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}
