import type { AudioConfig, Frame } from "@leat/sdk/protocol/frame.ts";
import type { AudioGroup } from "./ladder.ts";
import { AUDIO_SAMPLE_RATE } from "./presets.ts";

/** Publishers round timestamps to milliseconds and worse; what is further off than 20 ms is a hole or an overlap. */
export const TOLERANCE_SAMPLES = AUDIO_SAMPLE_RATE / 50;
/** Holes up to this long are filled with silence, longer ones become a jump in time. */
export const SILENCE_LIMIT_SAMPLES = AUDIO_SAMPLE_RATE * 10;

export interface AudioPacket {
  readonly epoch: number;
  readonly pts: number;
  readonly duration: number;
  readonly data: Uint8Array;
}

export function describeAudio(codec: AudioGroup["codec"], channels: number, extradata: Uint8Array): AudioConfig {
  const shape = {
    kind: "audio",
    codec,
    timescale: AUDIO_SAMPLE_RATE,
    sampleRate: AUDIO_SAMPLE_RATE,
    channels,
  } as const;
  if (codec === "aac") return { ...shape, description: Uint8Array.from(extradata), codecString: "mp4a.40.2" };
  // Packet times are compensated already: a pre-skip here would be taken off twice.
  const dOps = Uint8Array.of(0, channels, 0, 0, 0, 0, 0xbb, 0x80, 0, 0, 0);
  return { ...shape, description: dOps, codecString: "opus" };
}

export function toFrame(packet: AudioPacket, arrivalMs: number): Frame {
  const { epoch, pts, duration, data } = packet;
  return { kind: "audio", epoch, dts: pts, pts, duration, key: true, configVersion: 1, arrivalMs, data };
}
