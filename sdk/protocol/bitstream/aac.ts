import { BitReader, BitstreamError } from "./bit-reader.ts";

export interface AacFacts {
  readonly objectType: number;
  /** Of the core: what timestamps count, also where SBR doubles the output. */
  readonly sampleRate: number;
  readonly channels: number;
  readonly codecString: string;
}

const sampleRates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
const channelCounts = [0, 1, 2, 3, 4, 5, 6, 8];
const LOW_COMPLEXITY = 2;
const SBR = 5;
const PARAMETRIC_STEREO = 29;
const ADTS_BYTES = 7;

export function parseAudioSpecificConfig(bytes: Uint8Array): AacFacts {
  const reader = new BitReader(bytes);
  const objectType = readObjectType(reader);
  const sampleRate = readSampleRate(reader);
  const channels = channelCounts[reader.bits(4)] ?? 0;
  const isKnown = [1, 2, 3, 4, SBR, PARAMETRIC_STEREO].includes(objectType);
  if (!isKnown) throw new BitstreamError({ code: "BITSTREAM_UNSUPPORTED", what: "aac object type", found: objectType });
  // 0 means "see the program config element": rare, and no encoder that publishes live sends it.
  if (channels === 0)
    throw new BitstreamError({ code: "BITSTREAM_UNSUPPORTED", what: "aac channels", found: channels });
  return { objectType, sampleRate, channels, codecString: `mp4a.40.${objectType}` };
}

/**
 * What stands before a raw frame of `sizeBytes` in ADTS. Undefined where ADTS has no letters for it: a rate that is none
 * of the usual ones, or a frame beyond 13 bits.
 */
export function writeAdtsHead(
  { objectType, sampleRate, channels }: AacFacts,
  sizeBytes: number,
): Uint8Array | undefined {
  const rate = sampleRates.indexOf(sampleRate);
  const layout = channelCounts.indexOf(channels);
  const size = ADTS_BYTES + sizeBytes;
  if (rate === -1 || layout === -1 || size >= 2 ** 13) return undefined;
  // Two bits hold the types up to 4. What SBR and parametric stereo add stands inside frames of low complexity.
  const profile = (objectType > 4 ? LOW_COMPLEXITY : objectType) - 1;
  return Uint8Array.of(
    0xff,
    0xf1,
    (profile << 6) | (rate << 2) | (layout >> 2),
    ((layout & 3) << 6) | (size >> 11),
    (size >> 3) & 0xff,
    ((size & 7) << 5) | 0x1f,
    0xfc,
  );
}

function readObjectType(reader: BitReader): number {
  const type = reader.bits(5);
  return type === 31 ? 32 + reader.bits(6) : type;
}

function readSampleRate(reader: BitReader): number {
  const index = reader.bits(4);
  const rate = index === 15 ? reader.bits(24) : sampleRates[index];
  if (rate === undefined || rate < 7_000 || rate > 96_000) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "aac sample rate", found: rate ?? index });
  }
  return rate;
}
