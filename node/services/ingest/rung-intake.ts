import type { FrameMessage, MediaMessage } from "@leat/node/wire/media/message.ts";
import { type Frame, isTrackConfig, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { IngestError } from "./errors.ts";
import type { MadeFrame } from "./made-range.ts";

/** One rung's frames of one segment, as a transcoder sent them. */
export interface MadeRung {
  readonly rung: number;
  readonly version: number;
  readonly config: VideoConfig;
  readonly frames: readonly Frame[];
}

interface OpenRung {
  readonly rung: number;
  readonly version: number;
  readonly config: VideoConfig;
  readonly frames: Frame[];
}

/** Unfinished segments of one transcoder: two are usual, more only while it catches up. */
const maxOpenSegments = 16;

/** Gathers a transcoder's output by segment until its receipt comes. Bounded: it holds what a stranger sends. */
export class RungIntake {
  readonly #rungs: ReadonlySet<number>;
  readonly #maxBytes: number;
  readonly #configs = new Map<number, { version: number; config: VideoConfig }>();
  readonly #segments = new Map<number, { rungs: Map<number, OpenRung>; bytes: number }>();
  #bytes = 0;

  /** `rungs`: those of the job. With another it would take the place of whoever makes that. */
  constructor(rungs: ReadonlySet<number>, maxBytes: number) {
    this.#rungs = rungs;
    this.#maxBytes = maxBytes;
  }

  takeConfig({ rung, version, config }: Extract<MediaMessage, { type: "config" }>): void {
    if (config.kind !== "video" || !isTrackConfig(config)) {
      throw new IngestError({ code: "INGEST_MESSAGE_UNEXPECTED", found: `${config.codec} config` });
    }
    if (!this.#rungs.has(rung))
      throw new IngestError({ code: "INGEST_MESSAGE_UNEXPECTED", found: "config of other rung" });
    this.#configs.set(rung, { version, config });
  }

  takeFrame({ rung, sequence, frame }: FrameMessage): MadeFrame {
    const config = this.#configs.get(rung);
    if (config === undefined || frame.kind !== "video") {
      throw new IngestError({ code: "INGEST_MESSAGE_UNEXPECTED", found: "frame without config" });
    }
    // Viewers would take them for the publisher's.
    if (frame.tags !== undefined) throw new IngestError({ code: "INGEST_MESSAGE_UNEXPECTED", found: "tags" });
    const segment = this.#segments.get(sequence) ?? { rungs: new Map<number, OpenRung>(), bytes: 0 };
    this.#segments.set(sequence, segment);
    segment.bytes += frame.data.length;
    this.#bytes += frame.data.length;
    if (this.#bytes > this.#maxBytes || this.#segments.size > maxOpenSegments) {
      throw new IngestError({ code: "INGEST_OUTPUT_TOO_LARGE", sizeBytes: this.#bytes, maxBytes: this.#maxBytes });
    }
    const open = segment.rungs.get(rung) ?? { rung, ...config, frames: [] };
    segment.rungs.set(rung, open);
    open.frames.push(frame);
    return { sequence, config: open.config, frame };
  }

  /** What came of a segment, by rung; it is forgotten here, with all that is older. */
  close(sequence: number): MadeRung[] {
    const rungs = [...(this.#segments.get(sequence)?.rungs.values() ?? [])];
    for (const [older, { bytes }] of this.#segments) {
      if (older > sequence) continue;
      this.#segments.delete(older);
      this.#bytes -= bytes;
    }
    return rungs.sort((left, right) => left.rung - right.rung);
  }
}
