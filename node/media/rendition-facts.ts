import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { type RenditionInfo, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { LiveSegment } from "./live-segment.ts";
import type { MasterAudio, MasterVideo } from "./playlist.ts";

/** Very short segments, at a source's end, say nothing about the rate. */
const SHORTEST_MEASURED_S = 0.5;

export interface Rates {
  /** Bits per second: of any segment, and over all. */
  readonly peakBitrate: number;
  readonly averageBitrate: number;
  readonly frameRate: number | undefined;
  /** Of key frames alone. */
  readonly iframePeakBitrate: number;
  readonly iframeAverageBitrate: number;
}

/** What a rendition's segments came to; what was asked for where there are none yet. */
export function measureRates(
  { rung, bitrate }: RenditionInfo,
  timescale: number,
  segments: readonly LiveSegment[],
): Rates {
  const totals = { bits: 0, keyBits: 0, seconds: 0, frames: 0, peak: 0, keyPeak: 0 };
  for (const { durationTicks, sizeBytes, frames, parts } of segments) {
    const seconds = durationTicks / timescale;
    if (seconds === 0) continue;
    const keyBits = (parts[0]?.independent === true ? parts[0].headSizeBytes : 0) * 8;
    totals.bits += sizeBytes * 8;
    totals.keyBits += keyBits;
    totals.seconds += seconds;
    totals.frames += frames;
    if (seconds < SHORTEST_MEASURED_S) continue;
    totals.peak = Math.max(totals.peak, (sizeBytes * 8) / seconds);
    totals.keyPeak = Math.max(totals.keyPeak, keyBits / seconds);
  }
  const { seconds } = totals;
  const iframeAverageBitrate = seconds === 0 ? 0 : totals.keyBits / seconds;
  return {
    // Nobody asked for a bit rate of the source: what stands there was a guess.
    peakBitrate: rung === SOURCE_RUNG && totals.peak > 0 ? totals.peak : Math.max(totals.peak, bitrate),
    averageBitrate: seconds === 0 ? bitrate : totals.bits / seconds,
    frameRate: seconds === 0 ? undefined : totals.frames / seconds,
    iframePeakBitrate: Math.max(totals.keyPeak, iframeAverageBitrate),
    iframeAverageBitrate,
  };
}

export function describeVideo(
  info: RenditionInfo,
  config: TrackConfig,
  segments: readonly LiveSegment[],
  audio: string | undefined,
): MasterVideo {
  const { width, height } = config.kind === "video" ? config : { width: 0, height: 0 };
  const rates = measureRates(info, config.timescale, segments);
  return { name: info.name, width, height, codecString: config.codecString, audio, ...rates };
}

export function describeAudio(info: RenditionInfo, config: TrackConfig, segments: readonly LiveSegment[]): MasterAudio {
  const channels = config.kind === "audio" ? config.channels : 0;
  return {
    name: info.name,
    codecString: config.codecString,
    channels,
    ...measureRates(info, config.timescale, segments),
  };
}
