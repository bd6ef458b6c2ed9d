import type { AudioCodec, VideoCodec } from "@leat/sdk/protocol/frame.ts";
import { type ChipKind, isChip, kindOf, softwareEncoderOf } from "./encoders.ts";

/** An encoder of FFmpeg and the options that every engine gives it, named as FFmpeg names them. */
export interface VideoPreset {
  readonly encoder: string;
  readonly options: Readonly<Record<string, string>>;
  readonly maxrate: number;
  readonly minrate?: number;
  readonly bufsize: number;
}

/** No key frame but those that are asked for: boundaries alone cut segments. */
export const LIVE_GOP = 100_000;
/** Stored renditions have a key frame at least this often, for seeking. */
export const STORED_GOP_SECONDS = 2;

/**
 * Live encoders hold no frame back beyond the one whose duration rate control must know: no B-frames, no lookahead,
 * no alternate references, one thread, since several streams share the machine's cores and threads cost CPU.
 */
export function livePreset(codec: VideoCodec, bitrate: number, encoder = softwareEncoderOf(codec)): VideoPreset {
  const kind = kindOf(encoder);
  if (isChip(kind)) {
    return { encoder, options: hardwareOptions[kind], maxrate: Math.round(bitrate * 1.25), bufsize: bitrate * 2 };
  }
  switch (codec) {
    case "h264":
      return {
        encoder: "libx264",
        options: {
          preset: "veryfast",
          "forced-idr": "1",
          "x264-params": "rc-lookahead=0:sync-lookahead=0:mbtree=0:scenecut=0:sliced-threads=0:open-gop=0",
        },
        maxrate: Math.round(bitrate * 1.25),
        bufsize: bitrate * 2,
      };
    case "vp9":
      return {
        encoder: "libvpx-vp9",
        options: {
          deadline: "realtime",
          "cpu-used": "8",
          "row-mt": "0",
          "tile-columns": "0",
          "lag-in-frames": "0",
          "auto-alt-ref": "0",
          "aq-mode": "3",
        },
        // Equal rates select libvpx's constant bit rate, which its real-time mode is made for.
        maxrate: bitrate,
        minrate: bitrate,
        bufsize: bitrate * 2,
      };
    case "av1":
      return {
        encoder: "libsvtav1",
        options: { preset: "11", "svtav1-params": "pred-struct=1:lookahead=0:scd=0:rc=2" },
        maxrate: 0,
        bufsize: bitrate * 2,
      };
    case "hevc":
      return {
        encoder: "libx265",
        options: {
          preset: "ultrafast",
          tune: "zerolatency",
          "forced-idr": "1",
          // The pool would take every core; what the encoder says of itself is no part of a picture.
          "x265-params": "scenecut=0:open-gop=0:pools=none:info=0:log-level=none",
        },
        maxrate: Math.round(bitrate * 1.25),
        bufsize: bitrate * 2,
      };
  }
}

/** One picture in flight, and a closed group wherever a key frame is asked for, in each maker's words. */
const hardwareOptions: Readonly<Record<ChipKind, Readonly<Record<string, string>>>> = {
  qsv: { preset: "veryfast", async_depth: "1", forced_idr: "1" },
  nvenc: { preset: "p3", tune: "ll", delay: "0", zerolatency: "1", "forced-idr": "1", "no-scenecut": "1" },
  vaapi: { async_depth: "1" },
  videotoolbox: { realtime: "1", allow_sw: "0" },
};

/** Stored work may look ahead; a frame's decoding time stays its presentation time, so durations are exact. */
export function storedPreset(codec: VideoCodec, bitrate: number): VideoPreset {
  const live = livePreset(codec, bitrate);
  if (codec === "h264") {
    return { ...live, options: { preset: "veryfast", "forced-idr": "1" }, maxrate: Math.round(bitrate * 1.5) };
  }
  if (codec === "vp9") {
    return {
      encoder: "libvpx-vp9",
      options: { deadline: "good", "cpu-used": "5", "row-mt": "0", "tile-columns": "0", "lag-in-frames": "16" },
      maxrate: Math.round(bitrate * 1.5),
      bufsize: bitrate * 2,
    };
  }
  return live;
}

export const AUDIO_ENCODERS: Readonly<Record<AudioCodec, string>> = { aac: "aac", opus: "libopus" };
/** AAC and Opus share one clock: Opus always counts 48,000 samples a second. */
export const AUDIO_SAMPLE_RATE = 48_000;
