import type { RtpPacket } from "../../node/media-io/webrtc/rtp.ts";
import type { DepacketizedPicture } from "../../node/media-io/whip/depacketizer.ts";

/** Takes the RTP format of AV1 apart by its specification, whatever number of units a packet has. */
export class Av1Depacketizer {
  #units: Buffer[] = [];
  #key = false;
  #isOpen = false;

  push({ timestamp, marker, payload }: RtpPacket): DepacketizedPicture[] {
    const head = payload[0]!;
    const [continues, goesOn, count, begins] = [head & 0x80, head & 0x40, (head >> 4) & 3, head & 0x08];
    if (begins !== 0) {
      if (this.#units.length > 0) throw new Error("a sequence begins within a picture");
      this.#key = true;
    }
    if (this.#isOpen !== (continues !== 0)) throw new Error("a unit goes on where none was cut, or does not");
    this.#isOpen = goesOn !== 0;
    let at = 1;
    for (let index = 0; at < payload.length; index += 1) {
      let size = payload.length - at;
      // Where a number of units is told, the last goes without a size.
      if (index + 1 !== count) [size, at] = readSize(payload, at);
      const piece = Buffer.from(payload.subarray(at, at + size));
      if (index === 0 && continues !== 0) this.#units.push(Buffer.concat([this.#units.pop()!, piece]));
      else this.#units.push(piece);
      at += size;
    }
    if (!marker) {
      // Browsers would show what they have.
      if (goesOn === 0) throw new Error("a packet within a picture ends with a unit");
      return [];
    }
    if (goesOn !== 0) throw new Error("a picture ends within a unit");
    const data = Buffer.concat(this.#units.map(withSize));
    const picture = { timestamp, key: this.#key, data, config: undefined };
    this.#units = [];
    this.#key = false;
    return [picture];
  }
}

function readSize(bytes: Uint8Array, from: number): [size: number, end: number] {
  let size = 0;
  let at = from;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at]!;
    at += 1;
    size += (byte & 0x7f) << shift;
    if (byte < 0x80) return [size, at];
  }
}

/** With its size, as files hold it. */
function withSize(unit: Buffer): Buffer {
  if ((unit[0]! & 0x06) !== 0) throw new Error("a unit with a size, or with an extension");
  const size: number[] = [];
  for (let rest = unit.length - 1; ; rest >>>= 7) {
    size.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([unit[0]! | 0x02, ...size]), unit.subarray(1)]);
}
