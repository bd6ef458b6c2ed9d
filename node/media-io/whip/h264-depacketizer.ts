import { BitReader, BitstreamError } from "@leat/node/media/bitstream/bit-reader.ts";
import { hasIdr, parseAvcConfiguration, writeAvcRecord } from "@leat/node/media/bitstream/h264.ts";
import { joinNals } from "@leat/node/media/bitstream/nal.ts";
import { VIDEO_TIMESCALE, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { MAX_FRAME_UNITS } from "../webrtc/limits.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";
import type { DepacketizedPicture, VideoDepacketizer } from "./depacketizer.ts";
import { WhipError } from "./errors.ts";

const SPS = 7;
const PPS = 8;
const DELIMITER = 9;
const FILLER = 12;
const STAP_A = 24;
const FU_A = 28;
/** What stands before each unit of a joined picture. */
const LENGTH_BYTES = 4;
/** A stream has one of each, or a few. */
const MAX_SETS = 16;

/** H.264 in its packetization modes 0 and 1 (RFC 6184). Parameter sets go into the configuration, out of the pictures. */
export class H264Depacketizer implements VideoDepacketizer {
  readonly #sps = new Map<number, Uint8Array>();
  readonly #pps = new Map<number, Uint8Array>();
  #record: Uint8Array | undefined;
  #timestamp: number | undefined;
  #units: Uint8Array[] = [];
  #fragments: Uint8Array[] = [];
  #bytes = 0;
  #broken = false;
  #needsKey = true;
  #malformed = 0;

  /** `parameters`: the offer's, which may carry parameter sets that the packets then do not. */
  constructor(parameters = "") {
    const [, sets = ""] = /(?:^|;)\s*sprop-parameter-sets=([A-Za-z0-9+/=,]+)/.exec(parameters) ?? [];
    for (const set of sets.split(",")) this.#keepOffered(Buffer.from(set, "base64"));
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
    const type = payload[0]! & 0x1f;
    if (type !== FU_A && this.#fragments.length > 0) this.#spoil();
    if (type >= 1 && type < STAP_A) this.#add(payload);
    else if (type === STAP_A) this.#takeMany(payload);
    else if (type === FU_A) this.#takeFragment(payload);
    else this.#spoil();
  }

  #takeMany(payload: Uint8Array): void {
    let offset = 1;
    while (offset + 2 < payload.length) {
      const size = payload[offset]! * 256 + payload[offset + 1]!;
      const end = offset + 2 + size;
      if (size === 0 || end > payload.length) {
        this.#spoil();
        return;
      }
      this.#add(payload.subarray(offset + 2, end));
      offset = end;
    }
  }

  #takeFragment(payload: Uint8Array): void {
    const [indicator, head] = payload as Uint8Array & [number, number];
    const isFirst = (head & 0x80) !== 0;
    const isFull = this.#units.length + this.#fragments.length > MAX_FRAME_UNITS;
    if (payload.length < 3 || isFirst !== (this.#fragments.length === 0) || isFull) {
      this.#spoil();
      return;
    }
    if (isFirst) this.#fragments.push(Uint8Array.of((indicator & 0xe0) | (head & 0x1f)));
    this.#fragments.push(payload.subarray(2));
    this.#count(payload.length - 2 + (isFirst ? LENGTH_BYTES + 1 : 0));
    if ((head & 0x40) === 0) return;
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
    const timestamp = this.#timestamp!;
    if (this.#fragments.length > 0) this.#spoil();
    const units = this.#units;
    const isBroken = this.#broken;
    this.#drop();
    this.#broken = false;
    this.#timestamp = undefined;
    if (isBroken) return [];
    const shown = units.filter((unit) => !this.#keepSet(unit) && ![DELIMITER, FILLER].includes(unit[0]! & 0x1f));
    if (!shown.some(isSlice)) return [];
    const key = hasIdr(shown);
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
      this.#keepSet(set);
    } catch (error) {
      if (!(error instanceof BitstreamError)) throw error;
      this.#malformed += 1;
    }
  }

  /** Whether it is a parameter set; then it is kept, by its number. @throws BitstreamError */
  #keepSet(unit: Uint8Array): boolean {
    const type = (unit[0] ?? 0) & 0x1f;
    if (type !== SPS && type !== PPS) return false;
    const sets = type === SPS ? this.#sps : this.#pps;
    const id = new BitReader(unit.subarray(type === SPS ? 4 : 1)).unsigned();
    if (unit.length < 0x10000) sets.set(id, Uint8Array.from(unit));
    if (sets.size > MAX_SETS) sets.delete(sets.keys().next().value!);
    return true;
  }

  #configure(): VideoConfig | undefined {
    if (this.#sps.size === 0 || this.#pps.size === 0) return undefined;
    const record = writeAvcRecord([...this.#sps.values()], [...this.#pps.values()]);
    if (this.#record !== undefined && Buffer.compare(this.#record, record) === 0) return undefined;
    const { facts, description, codecString } = parseAvcConfiguration(record);
    this.#record = record;
    const { width, height } = facts;
    return { kind: "video", codec: "h264", timescale: VIDEO_TIMESCALE, width, height, description, codecString };
  }
}

function isSlice(unit: Uint8Array): boolean {
  const type = unit[0]! & 0x1f;
  return type >= 1 && type <= 5;
}
