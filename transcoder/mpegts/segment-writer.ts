import { type AudioConfig, type Frame, VIDEO_TIMESCALE, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { TsMuxer, type TsSample } from "./muxer.ts";

export interface TsSegment {
  readonly video?: { readonly config: VideoConfig; readonly frames: readonly Frame[] } | undefined;
  readonly audio?: { readonly config: AudioConfig; readonly frames: readonly Frame[] } | undefined;
}

/**
 * A segment as a transport stream that can be read alone, with the times of its epoch; those of the next segment go on
 * from there. @throws MPEGTS_CODEC_UNSUPPORTED, BitstreamError
 */
export function writeTsSegment({ video, audio }: TsSegment): Buffer {
  const muxer = new TsMuxer({ video: video?.config, audio: audio?.config });
  const pictures = (video?.frames ?? []).map((frame) => placeFrame(frame, VIDEO_TIMESCALE));
  const sounds = (audio?.frames ?? []).map((frame) => placeFrame(frame, audio!.config.timescale));
  const inOrder = [...pictures, ...sounds].toSorted((left, right) => left.dts - right.dts);
  return Buffer.concat(inOrder.map((sample) => muxer.write(sample)));
}

/** A frame on the clock of transport streams, where it stands in its epoch. */
export function placeFrame({ kind, dts, pts, key, data }: Frame, timescale: number): TsSample {
  const toTicks = (time: number) => Math.round((time * VIDEO_TIMESCALE) / timescale);
  return { kind, dts: toTicks(dts), pts: toTicks(pts), key, data };
}
