import type { Boundary, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { LiveInput, LiveSpec, SegmentSummary } from "@leat/transcoder/engine.ts";
import { type LiveTranscode, startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";

export interface RungOutput {
  readonly configs: VideoConfig[];
  readonly frames: { readonly sequence: number; readonly frame: Frame }[];
  readonly segments: { readonly sequence: number; readonly summary: SegmentSummary }[];
}

export interface LiveOutput {
  readonly rungs: readonly RungOutput[];
  readonly cpuMs: number;
}

/** A live worker and what came out of each rung so far. */
export class EventedLive {
  readonly output: readonly RungOutput[];
  readonly worker: LiveTranscode;
  #gone = false;
  #changed = Promise.withResolvers<void>();

  constructor(spec: LiveSpec) {
    const output = spec.rungs.map((): RungOutput => ({ configs: [], frames: [], segments: [] }));
    this.output = output;
    this.worker = startLiveTranscode(spec, {
      config: (index, _version, config) => output[index]!.configs.push(config),
      frame: (index, sequence, frame) => output[index]!.frames.push({ sequence, frame }),
      segmentEnd: (index, sequence, summary) => {
        output[index]!.segments.push({ sequence, summary });
        this.#tell();
      },
      error() {},
      exit: () => {
        this.#gone = true;
        this.#tell();
      },
    });
  }

  /** Resolves when the condition holds; it is looked at whenever a segment of a rung ends. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#gone) throw new Error("the worker is gone");
      await this.#changed.promise;
    }
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Pushes everything through a live worker and gives what came out of each rung. */
export async function runLive(spec: LiveSpec, inputs: Iterable<LiveInput>): Promise<LiveOutput> {
  const { worker, output } = new EventedLive(spec);
  try {
    for (const input of inputs) await worker.push(input);
    await worker.end();
  } finally {
    worker.kill();
  }
  return { rungs: output, cpuMs: worker.cpuMs() };
}

export function videoConfigs(items: readonly MediaItem[]): VideoConfig[] {
  return items.flatMap((item) => (item.type === "config" && item.config.kind === "video" ? [item.config] : []));
}

export function videoFrames(items: readonly MediaItem[]): Frame[] {
  return items.flatMap((item) => (item.type === "frame" && item.frame.kind === "video" ? [item.frame] : []));
}

/** The frames with a boundary before the first, and before each that stands at one of `cuts`, by place in the list. */
export function withBoundaries(frames: readonly Frame[], cuts: readonly number[], firstSequence = 0): LiveInput[] {
  let sequence = firstSequence - 1;
  return frames.flatMap((frame, index): LiveInput[] => {
    if (index !== 0 && !cuts.includes(index)) return [{ type: "frame", frame }];
    sequence += 1;
    const { epoch, pts } = frame;
    const facts = { sequence, epoch, pts, forced: !frame.key, discontinuity: false, firstFrame: index };
    return [
      { type: "boundary", boundary: facts satisfies Boundary },
      { type: "frame", frame },
    ];
  });
}
