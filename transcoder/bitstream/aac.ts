import type { AudioConfig } from "@leat/sdk/protocol/frame.ts";

const SAMPLE_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350] as const;
const ADTS_HEADER_BYTES = 7;

export const AAC_FRAME_SAMPLES = 1024;

export interface AdtsFrame {
  readonly config: AudioConfig;
  readonly data: Uint8Array;
}

/** The raw AAC frame behind an ADTS header, as transport streams carry it, or nothing where there is no such header. */
export function readAdts(bytes: Uint8Array): AdtsFrame | undefined {
  if (bytes.length < ADTS_HEADER_BYTES || bytes[0] !== 0xff || (bytes[1]! & 0xf6) !== 0xf0) return undefined;
  const sampleRate = SAMPLE_RATES[(bytes[2]! >> 2) & 0xf];
  const channels = ((bytes[2]! & 1) << 2) | (bytes[3]! >> 6);
  if (sampleRate === undefined || channels === 0) return undefined;
  const objectType = (bytes[2]! >> 6) + 1;
  const headerBytes = bytes[1]! & 1 ? ADTS_HEADER_BYTES : ADTS_HEADER_BYTES + 2;
  return { config: aacConfig(objectType, sampleRate, channels), data: bytes.subarray(headerBytes) };
}

/** The facts in an AudioSpecificConfig. */
export function readAudioSpecificConfig(body: Uint8Array): AudioConfig | undefined {
  if (body.length < 2) return undefined;
  const objectType = body[0]! >> 3;
  const sampleRate = SAMPLE_RATES[((body[0]! & 7) << 1) | (body[1]! >> 7)];
  const channels = (body[1]! >> 3) & 0xf;
  if (sampleRate === undefined || channels === 0) return undefined;
  return { ...aacConfig(objectType, sampleRate, channels), description: Uint8Array.from(body) };
}

function aacConfig(objectType: number, sampleRate: number, channels: number): AudioConfig {
  const index = SAMPLE_RATES.indexOf(sampleRate as (typeof SAMPLE_RATES)[number]);
  const description = Uint8Array.of((objectType << 3) | (index >> 1), ((index & 1) << 7) | (channels << 3));
  const codecString = `mp4a.40.${objectType}`;
  return { kind: "audio", codec: "aac", timescale: sampleRate, sampleRate, channels, description, codecString };
}
