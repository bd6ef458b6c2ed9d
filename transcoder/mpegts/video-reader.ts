import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { joinNals, splitByteStream } from "@leat/sdk/protocol/bitstream/nal.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_CONFIG_BYTES, MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import { MpegTsError } from "./errors.ts";
import { MAX_PICTURES_WITHOUT_KEY } from "./limits.ts";
import type { NalCodec } from "./nal-codecs.ts";
import type { PesPacket } from "./pes.ts";
import type { TrackReader, Unwrap } from "./track-reader.ts";
import { TsClock, toMs } from "./ts-clock.ts";

/** Where a sender leaves times out before a second picture told how far they are apart: 25 a second. */
const USUAL_STEP = 3_600;
/** What counts of a kind in one record: avcC has five bits for the first. */
const MAX_SETS = 31;

/** H.264 and HEVC as a byte stream, whose parameter sets stand before the pictures. */
export class VideoReader implements TrackReader {
  readonly #codec: NalCodec;
  readonly #unwrap: Unwrap;
  #sets: Uint8Array[][];
  #record: Uint8Array | undefined;
  #waitsForKey = true;
  #waited = 0;
  /** Decoding began at the last key frame: what it shows of before cannot be decoded. */
  #skipsLeading = false;
  #lastDts: number | undefined;
  #step = USUAL_STEP;
  #leftOut = 0;

  constructor(codec: NalCodec, unwrap: Unwrap) {
    this.#codec = codec;
    this.#unwrap = unwrap;
    this.#sets = Array.from({ length: codec.sets }, () => []);
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  /** What refers to a lost picture shows garbage: nothing goes on before the next key frame. */
  lose(): void {
    this.#waitsForKey = true;
    this.#waited = 0;
  }

  push({ pts, dts, data }: PesPacket): PublishItem[] {
    let nals: Uint8Array[];
    try {
      nals = splitByteStream(data);
    } catch (error) {
      if (!(error instanceof BitstreamError)) throw error;
      this.#leftOut += 1;
      this.lose();
      return [];
    }
    const units = this.#splitUnits(nals);
    // The times are those of the first picture.
    return units.flatMap((unit, index) => (index === 0 ? this.#take(unit, pts, dts) : this.#take(unit)));
  }

  /** A PES packet holds one picture as nearly all write it; delimiters part more. */
  #splitUnits(nals: readonly Uint8Array[]): Uint8Array[][] {
    const units: Uint8Array[][] = [];
    for (const nal of nals) {
      const isNew = units.length === 0 || this.#codec.role(nal) === "delimiter";
      if (isNew) units.push([]);
      units.at(-1)!.push(nal);
    }
    return units.filter((unit) => unit.some((nal) => this.#codec.role(nal) !== "delimiter"));
  }

  #take(unit: readonly Uint8Array[], pts?: number, dts?: number): PublishItem[] {
    const time = this.#time(dts);
    const cts = pts === undefined || dts === undefined ? 0 : TsClock.between(pts, dts);
    const roles = unit.map((nal) => this.#codec.role(nal));
    this.#keepSets(unit, roles);
    const shown = unit.filter((_, index) => ["slice", "leading", "other"].includes(roles[index] as string));
    if (!roles.includes("slice") && !roles.includes("leading")) return [];
    const key = this.#codec.hasKey(shown);
    if (key) this.#skipsLeading = this.#waitsForKey;
    const isLost = this.#waitsForKey && !key && this.#waited < MAX_PICTURES_WITHOUT_KEY;
    if (isLost || (this.#skipsLeading && roles.includes("leading"))) {
      this.#waited += 1;
      this.#leftOut += 1;
      return [];
    }
    const config = key || this.#waitsForKey ? this.#configure() : undefined;
    if (this.#record === undefined) {
      this.#leftOut += 1;
      return [];
    }
    this.#waitsForKey = false;
    this.#waited = 0;
    const picture = joinNals(shown);
    if (picture.length > MAX_FRAME_BYTES) {
      throw new MpegTsError({ code: "MPEGTS_FRAME_TOO_LARGE", sizeBytes: picture.length, limit: MAX_FRAME_BYTES });
    }
    const sample: PublishItem = {
      type: "video",
      sample: { dtsMs: toMs(time), ctsMs: toMs(cts), key, data: picture },
    };
    return config === undefined ? [sample] : [{ type: "config", config }, sample];
  }

  /** Unwrapped; a picture without a time comes a step after the one before. */
  #time(dts: number | undefined): number {
    const last = this.#lastDts;
    const time = dts === undefined ? (last ?? 0) + this.#step : this.#unwrap(dts);
    if (last !== undefined && time > last && dts !== undefined) this.#step = time - last;
    this.#lastDts = time;
    return time;
  }

  /** Sets of a kind take the place of those of that kind before: encoders send them together. */
  #keepSets(unit: readonly Uint8Array[], roles: readonly unknown[]): void {
    for (let kind = 0; kind < this.#codec.sets; kind += 1) {
      const sets = unit.filter((nal, index) => isSet(roles[index], kind) && nal.length < 0x10000);
      if (sets.length > 0) this.#sets[kind] = sets.slice(0, MAX_SETS).map((set) => Uint8Array.from(set));
    }
  }

  /** What the newest sets make, where that is new. Sets that make no sense leave the ones before in force. */
  #configure(): VideoConfig | undefined {
    if (this.#sets.some((sets) => sets.length === 0)) return undefined;
    try {
      const record = this.#codec.record(this.#sets);
      if (this.#record !== undefined && Buffer.compare(this.#record, record) === 0) return undefined;
      const config = this.#codec.describe(record);
      if (record.length > MAX_CONFIG_BYTES) {
        throw new MpegTsError({ code: "MPEGTS_CONFIG_TOO_LARGE", sizeBytes: record.length, limit: MAX_CONFIG_BYTES });
      }
      this.#record = record;
      return config;
    } catch (error) {
      if (!(error instanceof BitstreamError) || this.#record === undefined) throw error;
      this.#leftOut += 1;
      return undefined;
    }
  }
}

function isSet(role: unknown, kind: number): boolean {
  return typeof role === "object" && role !== null && (role as { set: number }).set === kind;
}
