import type { Frame, VideoCodec } from "@leat/sdk/protocol/frame.ts";
import { isChip, kindOf } from "../encoders.ts";
import type { EncoderReport, ProbeSpec } from "../probe.ts";

/** 30 pictures a second. */
export const PROBE_TICKS = 3000;

/** The pictures of a probe are two segments: the second begins with a key frame that was asked for. */
export function probeSequence(index: number, frames: number): number {
  return index < Math.floor(frames / 2) ? 0 : 1;
}

export interface ProbeFigures {
  /** How many of its pictures a decoder showed; undefined where none was asked. */
  readonly decoded: number | undefined;
  /** What so many of them took. */
  readonly timed: number;
  readonly seconds: number;
}

/**
 * What encoding took. Where others hold the processor an encoder in software waits for it, which is no fault of its speed:
 * its own processor time is what it costs. A chip's is not there, and several threads take more of it than passes.
 */
export function encodingSeconds(encoder: string, passed: number, ofProcessor: number): number {
  return isChip(kindOf(encoder)) || ofProcessor <= 0 ? passed : Math.min(passed, ofProcessor);
}

/** What the pictures that came out say of their encoder. */
export function judgeProbe(
  { codec, encoder }: { readonly codec: VideoCodec; readonly encoder: string },
  spec: Pick<ProbeSpec, "width" | "height" | "frames">,
  made: readonly Pick<Frame, "key" | "data">[],
  { decoded, seconds, timed }: ProbeFigures,
): EncoderReport {
  const refuse = (reason: string) => ({ codec, encoder, works: false, pixelsPerSecond: 0, reason });
  const count = made.filter(({ data }) => data.byteLength > 0).length;
  if (count !== spec.frames) return refuse(`${count} of ${spec.frames} frames came out`);
  const keys = made.flatMap(({ key }, index) => (key ? [index] : []));
  const wanted = [0, Math.floor(spec.frames / 2)];
  if (keys.join() !== wanted.join())
    return refuse(`key frames came at ${keys.join(", ")}, wanted at ${wanted.join(", ")}`);
  if (decoded !== undefined && decoded !== spec.frames)
    return refuse(`${decoded} of ${spec.frames} frames can be decoded`);
  return { codec, encoder, works: true, pixelsPerSecond: Math.round((spec.width * spec.height * timed) / seconds) };
}
