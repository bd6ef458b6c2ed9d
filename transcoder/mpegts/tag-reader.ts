import type { PublishedTag } from "@leat/sdk/protocol/published.ts";
import { Continuity } from "./continuity.ts";
import { MpegTsError } from "./errors.ts";
import type { TsPacket } from "./packet-reader.ts";
import { type PesPacket, PesReader } from "./pes.ts";
import { type TsClock, toMs } from "./ts-clock.ts";

const HEAD_BYTES = 10;
const FOOTER = 0x10;
const letters = [0x49, 0x44, 0x33] as const;

/** Timed metadata of a transport stream: ID3 tags in PES packets. What is none, or cannot be read, is left out. */
export class TagReader {
  readonly pid: number;
  readonly #pes = new PesReader("audio");
  readonly #continuity = new Continuity();

  constructor(pid: number) {
    this.pid = pid;
  }

  push(packet: TsPacket, clock: TsClock): PublishedTag[] {
    const order = packet.damaged ? "gap" : this.#continuity.check(packet);
    if (order === "repeat") return [];
    if (order === "gap") this.#pes.lose();
    if (packet.damaged || packet.scrambled || packet.payload === undefined) return [];
    return this.#collect(packet.payload, packet.starts).flatMap((whole) =>
      whole === "broken" ? [] : readTags(whole, clock),
    );
  }

  /** Nobody loses pictures because of metadata that is too large. */
  #collect(payload: Uint8Array, starts: boolean): (PesPacket | "broken")[] {
    try {
      return this.#pes.push(payload, starts);
    } catch (error) {
      if (!(error instanceof MpegTsError)) throw error;
      this.#pes.lose();
      return [];
    }
  }
}

function readTags({ pts, data }: PesPacket, clock: TsClock): PublishedTag[] {
  const time = pts === undefined ? {} : { atMs: toMs(clock.unwrap(pts)) };
  const tags: PublishedTag[] = [];
  let rest = data;
  for (let size = tagSize(rest); size !== undefined && size <= rest.length; size = tagSize(rest)) {
    tags.push({ ...time, tag: Uint8Array.from(rest.subarray(0, size)) });
    rest = rest.subarray(size);
  }
  return tags;
}

/** Of the ID3 tag that bytes begin with, its head and footer too. */
function tagSize(bytes: Uint8Array): number | undefined {
  const size = bytes.subarray(6, HEAD_BYTES);
  const isTag =
    letters.every((letter, at) => bytes[at] === letter) && size.length === 4 && size.every((one) => one < 128);
  if (!isTag) return undefined;
  const body = size.reduce((sum, one) => sum * 128 + one, 0);
  return HEAD_BYTES + body + ((bytes[5]! & FOOTER) === 0 ? 0 : HEAD_BYTES);
}
