import { type AudioConfig, isTrackConfig, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import type { TsSample } from "@leat/transcoder/mpegts/muxer.ts";

/** Of a pushed segment what its renditions go beside. Times are the publisher's own, in ticks of 90 kHz. */
export interface PushedMedia {
  readonly durationMs: number;
  /** When its first picture shows, and how large it is; undefined for sound alone. */
  readonly picture: { readonly pts: number; readonly width: number; readonly height: number } | undefined;
  readonly sound: { readonly config: AudioConfig; readonly samples: readonly TsSample[] } | undefined;
}

const TICKS_PER_MS = 90;

export function describeMedia(items: readonly DemuxedItem[]): PushedMedia {
  let [earliest, latest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let pts = Number.POSITIVE_INFINITY;
  let [video, audio]: [VideoConfig | undefined, AudioConfig | undefined] = [undefined, undefined];
  const samples: TsSample[] = [];
  for (const item of items) {
    if (item.type === "cue" || item.type === "tag") continue;
    if (item.type === "config") {
      // Sound whose configuration changes within a segment is answered up to there.
      if (!isTrackConfig(item.config)) continue;
      if (item.config.kind === "video") video ??= item.config;
      else audio ??= item.config;
      continue;
    }
    const { dtsMs, data } = item.sample;
    earliest = Math.min(earliest, dtsMs);
    latest = Math.max(latest, dtsMs);
    const dts = Math.round(dtsMs * TICKS_PER_MS);
    if (item.type === "audio") samples.push({ kind: "audio", dts, pts: dts, key: true, data });
    else pts = Math.min(pts, dts + Math.round(item.sample.ctsMs * TICKS_PER_MS));
  }
  return {
    durationMs: Math.max(0, Math.round(latest - earliest)),
    picture: video === undefined || pts === Number.POSITIVE_INFINITY ? undefined : { pts, ...sizeOf(video) },
    sound: audio === undefined || samples.length === 0 ? undefined : { config: audio, samples },
  };
}

function sizeOf({ width, height }: VideoConfig): { width: number; height: number } {
  return { width, height };
}
