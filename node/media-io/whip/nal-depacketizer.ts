import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { joinNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import { VIDEO_TIMESCALE, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { MAX_FRAME_UNITS } from "../webrtc/limits.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";
import type { DepacketizedPicture, VideoDepacketizer } from "./depacketizer.ts";
import { WhipError } from "./errors.ts";

export interface NalConfiguration {
  readonly description: Uint8Array;
  readonly codecString: string;
  readonly facts: { readonly width: number; readonly height: number };
}

/** How one codec's units stand in packets. */
export interface NalFormat {
  readonly codec: VideoConfig["codec"];
  /** Of a unit's own head. */
  readonly headBytes: number;
  typeOf(unit: Uint8Array): number;
  /** Whether it is a unit's own type, and none of packets. */
  isUnit(type: number): boolean;
  /** Several units, each behind its size. */
  readonly aggregate: number;
  /** A part of a unit, behind a byte that says which: its first, its last, and the unit's type. */
  readonly fragment: number;
  /** The head of a unit that came in parts. */
  headOf(payload: Uint8Array): Uint8Array;
  /** Parameter sets, in the order of the configuration. */
  readonly sets: readonly number[];
  /** The number of a parameter set. @throws BitstreamError */
  numberOf(set: Uint8Array): number;
  /** What says nothing of a picture. */
  readonly ignored: readonly number[];
  isSlice(type: number): boolean;
  isKey(units: readonly Uint8Array[]): boolean;
  /** At least one set of each kind. @throws BitstreamError */
  writeRecord(sets: readonly (readonly Uint8Array[])[]): Uint8Array;
  parseRecord(record: Uint8Array): NalConfiguration;
}

/** What stands before each unit of a joined picture. */
const LENGTH_BYTES = 4;
/** A stream has one of each, or a few. */
const MAX_SETS = 16;
const FIRST = 0x80;
const LAST = 0x40;

/** Makes pictures out of units in packets. Parameter sets go into the configuration, out of the pictures. */
export class NalDepacketizer implements VideoDepacketizer {
  readonly #format: NalFormat;
  readonly #sets: ReadonlyMap<number, Map<number, Uint8Array>>;
  #record: Uint8Array | undefined;
  #timestamp: number | undefined;
  #units: Uint8Array[] = [];
  #fragments: Uint8Array[] = [];
  #bytes = 0;
  #broken = false;
  #needsKey = true;
  #malformed = 0;

  /** `offered`: parameter sets that were told before, which the packets then may not carry. */
  constructor(format: NalFormat, offered: readonly Uint8Array[]) {
    this.#format = format;
    this.#sets = new Map(format.sets.map((type) => [type, new Map()]));
    for (const set of offered) this.#keepOffered(set);
  }

  get needsKey(): boolean {
    return this.#needsKey;
  }

  get malformed(): number {
    return this.#malformed;
  }

  push({ timestamp, marker, payload }: RtpPacket): DepacketizedPicture[] {
    const pictures: DepacketizedPicture[] = [];
    // The packet with the mark was lost, or the sender sets none.
    if (this.#timestamp !== undefined && timestamp !== this.#timestamp) pictures.push(...this.#finish());
    this.#timestamp = timestamp;
    this.#take(payload);
    if (marker) pictures.push(...this.#finish());
    return pictures;
  }

  lose(): void {
    this.#needsKey = true;
    // Whether the next picture is whole cannot be told: what was lost may be its beginning.
    this.#drop();
    this.#broken = true;
    // Else the next packet would end the picture before it, and with that the doubt about its own.
    this.#timestamp = undefined;
  }

  #take(payload: Uint8Array): void {
    const { headBytes, aggregate, fragment } = this.#format;
    const type = this.#format.typeOf(payload);
    if (type !== fragment && this.#fragments.length > 0) this.#spoil();
    if (payload.length < headBytes) this.#spoil();
    else if (type === aggregate) this.#takeMany(payload);
    else if (type === fragment) this.#takeFragment(payload);
    else if (this.#format.isUnit(type)) this.#add(payload);
    else this.#spoil();
  }

  #takeMany(payload: Uint8Array): void {
    let offset = this.#format.headBytes;
    while (offset + 2 < payload.length) {
      const size = payload[offset]! * 256 + payload[offset + 1]!;
      const end = offset + 2 + size;
      if (size < this.#format.headBytes || end > payload.length) {
        this.#spoil();
        return;
      }
      this.#add(payload.subarray(offset + 2, end));
      offset = end;
    }
  }

  #takeFragment(payload: Uint8Array): void {
    const { headBytes } = this.#format;
    const head = payload[headBytes] ?? 0;
    const isFirst = (head & FIRST) !== 0;
    const isFull = this.#units.length + this.#fragments.length > MAX_FRAME_UNITS;
    const data = payload.subarray(headBytes + 1);
    if (data.length === 0 || isFirst !== (this.#fragments.length === 0) || isFull) {
      this.#spoil();
      return;
    }
    if (isFirst) this.#fragments.push(this.#format.headOf(payload));
    this.#fragments.push(data);
    this.#count(data.length + (isFirst ? LENGTH_BYTES + headBytes : 0));
    if ((head & LAST) === 0) return;
    const unit = Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#units.push(unit);
  }

  #add(unit: Uint8Array): void {
    this.#count(LENGTH_BYTES + unit.length);
    this.#units.push(unit);
  }

  /** `bytes`: what the joined picture grows by. */
  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MAX_FRAME_BYTES) throw new WhipError({ code: "WHIP_FRAME_TOO_LARGE", limit: MAX_FRAME_BYTES });
    if (this.#units.length >= MAX_FRAME_UNITS) this.#spoil();
  }

  /** The picture cannot be put together. */
  #spoil(): void {
    this.#malformed += 1;
    this.#drop();
    this.#broken = true;
    this.#needsKey = true;
  }

  #drop(): void {
    this.#units = [];
    this.#fragments = [];
    this.#bytes = 0;
  }

  #finish(): DepacketizedPicture[] {
    const { typeOf, ignored, isSlice, isKey } = this.#format;
    const timestamp = this.#timestamp!;
    if (this.#fragments.length > 0) this.#spoil();
    const units = this.#units;
    const isBroken = this.#broken;
    this.#drop();
    this.#broken = false;
    this.#timestamp = undefined;
    if (isBroken) return [];
    const shown = units.filter((unit) => !this.#keepSet(unit) && !ignored.includes(typeOf(unit)));
    if (!shown.some((unit) => isSlice(typeOf(unit)))) return [];
    const key = isKey(shown);
    if (this.#needsKey && !key) return [];
    const config = key ? this.#configure() : undefined;
    // A key frame whose parameter sets never came.
    if (this.#record === undefined) return [];
    this.#needsKey = false;
    return [{ timestamp, key, data: joinNals(shown), config }];
  }

  /** An offer is read before its key is known to be good: what is wrong in it is no reason to end anything. */
  #keepOffered(set: Uint8Array): void {
    try {
      if (set.length > 0) this.#keepSet(set);
    } catch (error) {
      if (!(error instanceof BitstreamError)) throw error;
      this.#malformed += 1;
    }
  }

  /** Whether it is a parameter set; then it is kept, by its number. @throws BitstreamError */
  #keepSet(unit: Uint8Array): boolean {
    const sets = this.#sets.get(this.#format.typeOf(unit));
    if (sets === undefined) return false;
    const id = this.#format.numberOf(unit);
    if (unit.length < 0x10000) sets.set(id, Uint8Array.from(unit));
    if (sets.size > MAX_SETS) sets.delete(sets.keys().next().value!);
    return true;
  }

  #configure(): VideoConfig | undefined {
    const sets = [...this.#sets.values()].map((kind) => [...kind.values()]);
    if (sets.some((kind) => kind.length === 0)) return undefined;
    const record = this.#format.writeRecord(sets);
    if (this.#record !== undefined && Buffer.compare(this.#record, record) === 0) return undefined;
    const { facts, description, codecString } = this.#format.parseRecord(record);
    this.#record = record;
    const { width, height } = facts;
    const { codec } = this.#format;
    return { kind: "video", codec, timescale: VIDEO_TIMESCALE, width, height, description, codecString };
  }
}
