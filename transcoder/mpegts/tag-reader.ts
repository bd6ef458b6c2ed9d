import { readId3Tags } from "@leat/sdk/protocol/bitstream/id3.ts";
import type { PublishedTag } from "@leat/sdk/protocol/published.ts";
import { Continuity } from "./continuity.ts";
import { MpegTsError } from "./errors.ts";
import type { TsPacket } from "./packet-reader.ts";
import { type PesPacket, PesReader } from "./pes.ts";
import { type TsClock, toMs } from "./ts-clock.ts";

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
  return readId3Tags(data).map((tag) => ({ ...time, tag }));
}
