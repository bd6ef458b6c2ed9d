import type { AudioConfig, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { Child } from "./child.ts";
import type { AudioInput, AudioSpec, LiveInput, LiveSpec, SegmentSummary } from "./engine.ts";
import { TranscodeError } from "./errors.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

const WORKER = new URL("./worker.ts", import.meta.url);

/** About four seconds of video at 30 frames a second: a worker further behind than that cannot keep up. */
const QUEUE_FRAMES = 128;
const QUEUE_BYTES = 16 * 1024 * 1024;

export interface LiveTranscodeEvents {
  config(rungIndex: number, version: number, config: VideoConfig): void;
  frame(rungIndex: number, sequence: number, frame: Frame): void;
  segmentEnd(rungIndex: number, sequence: number, summary: SegmentSummary): void;
  /** A chip's encoder did not open for this rung: software does its work. */
  fallback?(rungIndex: number, encoder: string, reason: string): void;
  /** What the worker could not do. It is followed by `exit`. */
  error(error: TranscodeError): void;
  /** Once, last. Without an error after `end`, with TRANSCODE_WORKER_LOST when it was killed or crashed. */
  exit(error: TranscodeError | undefined): void;
}

export interface AudioEncodeEvents {
  config(groupIndex: number, version: number, config: AudioConfig): void;
  frame(groupIndex: number, frame: Frame): void;
  error(error: TranscodeError): void;
  exit(error: TranscodeError | undefined): void;
}

export interface LiveWorker<Input> {
  readonly pid: number | undefined;
  /** Takes the input at once, and resolves when the worker's bounded queue has room for more. Rejects after its exit. */
  push(input: Input): Promise<void>;
  /** Flushes; resolves when everything came out and the worker is gone. Rejects if it was lost instead. */
  end(): Promise<void>;
  /** Ends the worker at once; `exit` follows. */
  kill(): void;
  /** User and system time of the worker so far, as it last told. */
  cpuMs(): number;
  /** Inputs that the worker has not worked off. */
  queued(): number;
}

export type LiveTranscode = LiveWorker<LiveInput>;
export type AudioEncode = LiveWorker<AudioInput>;

/** One forked worker for one stream and one ladder or family. */
export function startLiveTranscode(spec: LiveSpec, events: LiveTranscodeEvents): LiveTranscode {
  const start = { type: "start", job: "video", spec } as const;
  return new Supervisor<LiveInput>(start, spec.rungs.length + 2, events, (message) => {
    if (message.type === "config") events.config(message.index, message.version, message.config as VideoConfig);
    if (message.type === "frame") events.frame(message.index, message.sequence, message.frame);
    if (message.type === "fallback") events.fallback?.(message.index, message.encoder, message.reason);
    if (message.type === "segmentEnd") events.segmentEnd(message.index, message.sequence, message.summary);
  });
}

/** One forked worker for the audio groups of one stream. Frames come with times in their group's own timescale. */
export function startAudioEncode(spec: AudioSpec, events: AudioEncodeEvents): AudioEncode {
  const start = { type: "start", job: "audio", spec } as const;
  return new Supervisor<AudioInput>(start, 2, events, (message) => {
    if (message.type === "config") events.config(message.index, message.version, message.config as AudioConfig);
    if (message.type === "frame") events.frame(message.index, message.frame);
  });
}

interface EndEvents {
  error(error: TranscodeError): void;
  exit(error: TranscodeError | undefined): void;
}

class Supervisor<Input extends LiveInput | AudioInput> implements LiveWorker<Input> {
  readonly #child: Child;
  readonly #sizes: number[] = [];
  #queuedBytes = 0;
  #cpuMs = 0;
  #waiters: (() => void)[] = [];
  #lost: TranscodeError | undefined;
  #isEnded = false;
  #isGone = false;

  constructor(start: ToWorker, threads: number, events: EndEvents, onOutput: (message: FromWorker) => void) {
    this.#child = new Child({
      givesWay: true,
      entry: WORKER,
      threads,
      onMessage: (raw) => {
        const message = raw as FromWorker;
        if (message.type === "taken") this.#release(message.inputs, message.cpuMs);
        else if (message.type === "finished") {
          this.#cpuMs = message.cpuMs;
          this.#child.done();
        } else if (message.type === "error") {
          this.#lost = new TranscodeError(message.detail, { message: message.message });
          events.error(this.#lost);
        } else onOutput(message);
      },
      onExit: (error) => {
        this.#isGone = true;
        if (error) this.#lost ??= error;
        this.#wake();
        events.exit(error ? this.#lost : undefined);
      },
    });
    this.#child.send(start);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async push(input: Input): Promise<void> {
    this.#assertAlive();
    const size = input.type === "frame" ? input.frame.data.byteLength : 0;
    this.#sizes.push(size);
    this.#queuedBytes += size;
    this.#child.send(input);
    while (this.#isFull() && !this.#isGone) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    if (this.#isGone) this.#assertAlive();
  }

  async end(): Promise<void> {
    if (!this.#isEnded && !this.#isGone) this.#child.send({ type: "end" });
    this.#isEnded = true;
    await this.#child.exited;
    if (this.#lost) throw this.#lost;
  }

  kill(): void {
    this.#child.kill();
  }

  cpuMs(): number {
    return this.#cpuMs;
  }

  queued(): number {
    return this.#sizes.length;
  }

  #isFull(): boolean {
    return this.#sizes.length >= QUEUE_FRAMES || this.#queuedBytes >= QUEUE_BYTES;
  }

  #release(inputs: number, cpuMs: number): void {
    for (const size of this.#sizes.splice(0, inputs)) this.#queuedBytes -= size;
    this.#cpuMs = cpuMs;
    if (!this.#isFull()) this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #assertAlive(): void {
    if (!this.#isGone && !this.#isEnded) return;
    throw (
      this.#lost ??
      new TranscodeError({ code: "TRANSCODE_WORKER_LOST", exitCode: 0, signal: null, lastWords: "it was ended" })
    );
  }
}
