import { PACKET_BYTES } from "./packet-reader.ts";

const SYNC = 0x47;
const BODY_BYTES = PACKET_BYTES - 4;
const STUFFING = 0xff;
const PCR_BYTES = 6;

export interface PacketMarks {
  /** A decoder can begin with what these packets carry. */
  readonly randomAccess?: boolean;
  /** The sender's clock as the first of them leaves: ticks of 90 kHz, below 2^33. */
  readonly pcr?: number | undefined;
}

/** Cuts what one PID carries into packets, numbered on and on. */
export class PacketWriter {
  readonly #pid: number;
  #counter = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  get pid(): number {
    return this.#pid;
  }

  /** One table or PES packet. */
  write(payload: Uint8Array, marks: PacketMarks = {}): Buffer {
    const firstField = writeField(marks);
    const count = Math.ceil((firstField.length + payload.length) / BODY_BYTES);
    const packets = Buffer.alloc(count * PACKET_BYTES);
    let taken = 0;
    for (let index = 0; index < count; index += 1) {
      const packet = packets.subarray(index * PACKET_BYTES, (index + 1) * PACKET_BYTES);
      const field = index === 0 ? firstField : Buffer.alloc(0);
      const size = Math.min(BODY_BYTES - field.length, payload.length - taken);
      this.#writeHead(packet, { starts: index === 0, hasPayload: true });
      writePadded(packet, field, BODY_BYTES - size);
      packet.set(payload.subarray(taken, taken + size), PACKET_BYTES - size);
      taken += size;
    }
    return packets;
  }

  /** A packet that tells the time and nothing else. */
  writeTime(pcr: number): Buffer {
    const packet = Buffer.alloc(PACKET_BYTES);
    this.#writeHead(packet, { starts: false, hasPayload: false });
    writePadded(packet, writeField({ pcr }), BODY_BYTES);
    return packet;
  }

  #writeHead(packet: Buffer, { starts, hasPayload }: { starts: boolean; hasPayload: boolean }): void {
    packet[0] = SYNC;
    packet[1] = (starts ? 0x40 : 0) | (this.#pid >> 8);
    packet[2] = this.#pid & 0xff;
    // Packets without payload are not numbered: they repeat the number before them.
    packet[3] = (hasPayload ? 0x10 : 0x20) | (hasPayload ? this.#counter : (this.#counter + 15) & 0x0f);
    if (hasPayload) this.#counter = (this.#counter + 1) & 0x0f;
  }
}

/** The adaptation field that says this, with its length; empty where there is nothing to say. */
function writeField({ randomAccess = false, pcr }: PacketMarks): Buffer {
  if (!randomAccess && pcr === undefined) return Buffer.alloc(0);
  const field = Buffer.alloc(2 + (pcr === undefined ? 0 : PCR_BYTES));
  field[0] = field.length - 1;
  field[1] = (randomAccess ? 0x40 : 0) | (pcr === undefined ? 0 : 0x10);
  if (pcr !== undefined) {
    // 33 bits of 90 kHz, six that are reserved, nine of 27 MHz that stay 0.
    field.writeUInt32BE(Math.floor(pcr / 2), 2);
    field.writeUInt16BE(((pcr % 2) << 15) | 0x7e00, 6);
  }
  return field;
}

/** The field, made so long that it fills these bytes behind the packet's head. */
function writePadded(packet: Buffer, field: Buffer, sizeBytes: number): void {
  if (sizeBytes === 0) return;
  packet[3] = packet[3]! | 0x20;
  packet.set(field, 4);
  packet[4] = sizeBytes - 1;
  packet.fill(STUFFING, 4 + Math.max(field.length, Math.min(2, sizeBytes)), 4 + sizeBytes);
}
