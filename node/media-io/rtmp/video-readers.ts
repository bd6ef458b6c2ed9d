import { describeAv1, findSequenceHeader, readTemporalUnit } from "@leat/sdk/protocol/bitstream/av1.ts";
import { hasIdr, parseAvcConfiguration } from "@leat/sdk/protocol/bitstream/h264.ts";
import { hasIrap, parseHevcConfiguration } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { joinNals, splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import type { Obu } from "@leat/sdk/protocol/bitstream/obu.ts";
import { findVp9Key, parseVp9Configuration, type Vp9Configuration } from "@leat/sdk/protocol/bitstream/vp9.ts";
import { VIDEO_TIMESCALE, type VideoConfig } from "@leat/sdk/protocol/frame.ts";

/** A picture as it goes on, and the configuration that holds from it on where it brings one. */
export interface ReadPicture {
  readonly config: VideoConfig | undefined;
  readonly key: boolean;
  readonly data: Uint8Array;
}

/** One codec's configuration records and frames. Both throw BitstreamError for what cannot be read. */
export interface VideoReader {
  /** FLV gives a composition time with each frame. */
  readonly reorders: boolean;
  /** Undefined where the record does not say all: then a key frame will. */
  configure(record: Uint8Array): VideoConfig | undefined;
  /** Undefined for what holds no picture, or comes before a configuration. */
  read(data: Uint8Array): ReadPicture | undefined;
}

const shape = { kind: "video", timescale: VIDEO_TIMESCALE } as const;

/** By their four letters. */
export const videoReaders: Readonly<Record<string, () => VideoReader>> = {
  avc1: () => new NalReader("h264", parseAvcConfiguration, hasIdr),
  hvc1: () => new NalReader("hevc", parseHevcConfiguration, hasIrap),
  vp09: () => new Vp9Reader(),
  av01: () => new Av1Reader(),
};

interface NalConfiguration {
  readonly lengthSize: number;
  readonly description: Uint8Array;
  readonly codecString: string;
  readonly facts: { readonly width: number; readonly height: number };
}

class NalReader implements VideoReader {
  readonly reorders = true;
  readonly #codec: "h264" | "hevc";
  readonly #parse: (record: Uint8Array) => NalConfiguration;
  readonly #isKey: (nals: readonly Uint8Array[]) => boolean;
  #lengthSize: number | undefined;

  constructor(
    codec: "h264" | "hevc",
    parse: (record: Uint8Array) => NalConfiguration,
    isKey: (nals: readonly Uint8Array[]) => boolean,
  ) {
    this.#codec = codec;
    this.#parse = parse;
    this.#isKey = isKey;
  }

  configure(record: Uint8Array): VideoConfig {
    const { facts, lengthSize, description, codecString } = this.#parse(record);
    this.#lengthSize = lengthSize;
    const { width, height } = facts;
    return { ...shape, codec: this.#codec, width, height, description, codecString };
  }

  read(data: Uint8Array): ReadPicture | undefined {
    if (this.#lengthSize === undefined) return undefined;
    const nals = splitNals(data, this.#lengthSize);
    if (nals.length === 0) return undefined;
    return {
      config: undefined,
      key: this.#isKey(nals),
      data: this.#lengthSize === 4 ? data : joinNals(nals),
    };
  }
}

/** A vpcC does not tell the size of the pictures: key frames do. */
class Vp9Reader implements VideoReader {
  readonly reorders = false;
  #configuration: Vp9Configuration | undefined;
  #size = "";

  configure(record: Uint8Array): undefined {
    this.#configuration = parseVp9Configuration(record);
    this.#size = "";
  }

  read(data: Uint8Array): ReadPicture | undefined {
    if (this.#configuration === undefined || data.length === 0) return undefined;
    const key = findVp9Key(data);
    const size = key === undefined ? this.#size : `${key.width}x${key.height}`;
    if (size === "") return undefined;
    let config: VideoConfig | undefined;
    if (key !== undefined && size !== this.#size) {
      config = { ...shape, codec: "vp9", width: key.width!, height: key.height!, ...this.#configuration };
    }
    this.#size = size;
    return { config, key: key !== undefined, data };
  }
}

/**
 * The sequence header stands in the av1C, or in the first key frame, and may change with any key frame. Some encoders
 * write one into the av1C that differs from the one of their key frames: a record that is only repeated says nothing.
 */
class Av1Reader implements VideoReader {
  readonly reorders = false;
  #record: Uint8Array | undefined;
  #header: Uint8Array | undefined;
  #isReduced = false;

  configure(record: Uint8Array): VideoConfig | undefined {
    if (this.#record !== undefined && Buffer.compare(this.#record, record) === 0) return undefined;
    const header = findSequenceHeader(record);
    this.#record = Uint8Array.from(record);
    this.#header = undefined;
    return header && this.#adopt(header);
  }

  read(data: Uint8Array): ReadPicture | undefined {
    const unit = readTemporalUnit(data, this.#isReduced);
    const header = unit.key ? unit.sequenceHeader : undefined;
    const config = header && this.#adopt(header);
    if (this.#header === undefined || unit.data.length === 0) return undefined;
    return { config, key: unit.key, data: unit.data };
  }

  /** The configuration that a new header makes. */
  #adopt(header: Obu): VideoConfig | undefined {
    if (this.#header !== undefined && Buffer.compare(this.#header, header.payload) === 0) return undefined;
    const { facts, description, codecString } = describeAv1(header);
    this.#header = Uint8Array.from(header.payload);
    this.#isReduced = facts.isReduced;
    return { ...shape, codec: "av1", width: facts.width, height: facts.height, description, codecString };
  }
}
