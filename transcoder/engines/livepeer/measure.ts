import type { Boundary, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { KnownEncoder } from "../../encoders.ts";
import type { LiveSink } from "../../engine.ts";
import { isCoded } from "../../errors.ts";
import type { EncoderReport, ProbeSpec } from "../../probe.ts";
import { livepeerEngine } from "../livepeer.ts";
import { countDecoded, encodePattern } from "../node-av/measure.ts";
import { judgeProbe, probeSequence } from "../probe-verdict.ts";

/**
 * Sends two segments as a live job does, and looks at what came back. The first, for which a gateway looks for an
 * orchestrator, is not timed.
 */
export async function measureGateway(spec: ProbeSpec, onReport: (report: EncoderReport) => void): Promise<void> {
  for (const known of spec.encoders) onReport(await measureOne(known, spec));
}

async function measureOne(known: KnownEncoder, spec: ProbeSpec): Promise<EncoderReport> {
  const { codec, encoder } = known;
  try {
    return await judgeGateway(known, spec);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { codec, encoder, works: false, pixelsPerSecond: 0, reason: error.message };
  }
}

async function judgeGateway(known: KnownEncoder, spec: ProbeSpec): Promise<EncoderReport> {
  const { width, height, gateway } = spec;
  const { config: source, frames: pattern } = encodePattern({ codec: "h264", encoder: "libx264" }, spec);
  const made: Frame[] = [];
  let config: VideoConfig | undefined;
  const sink: LiveSink = {
    config: (_index, _version, found) => {
      config = found;
    },
    frame: (_index, _sequence, frame) => made.push(frame),
    segmentEnd() {},
  };
  const rung = { name: "probe", codec: "h264", width, height, videoBitrate: 1_000_000, audioBitrate: 64_000 } as const;
  const live = await livepeerEngine.openVideo({ source: source!, rungs: [rung], gateway }, sink);
  try {
    let started = 0;
    for (const sequence of [0, 1]) {
      const frames = pattern.filter((_, index) => probeSequence(index, spec.frames) === sequence);
      started = performance.now();
      await live.push({ type: "boundary", boundary: boundaryAt(frames[0]!, sequence) });
      for (const frame of frames) await live.push({ type: "frame", frame });
      await live.push({ type: "segmentEnd" });
    }
    const seconds = (performance.now() - started) / 1000;
    const decoded = config === undefined ? 0 : countDecoded(config, made);
    return judgeProbe(known, spec, made, { decoded, seconds, timed: spec.frames / 2 });
  } finally {
    live.close();
  }
}

function boundaryAt({ epoch, pts }: Frame, sequence: number): Boundary {
  return { sequence, epoch, pts, forced: false, discontinuity: false, firstFrame: 0 };
}
