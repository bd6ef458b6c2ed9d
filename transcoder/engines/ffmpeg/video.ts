import { readCaptions } from "@leat/sdk/protocol/bitstream/captions.ts";
import type { Frame, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import type { LiveInput, LiveSink, LiveSpec, LiveVideo } from "../../engine.ts";
import type { DuePicture } from "../../timeline.ts";
import { LiveTimeline } from "../../timeline.ts";
import { DecoderProcess } from "./decoder-process.ts";
import { FfmpegRung } from "./rung.ts";

/** Programs and pipes hold pictures back: a frame that waits behind this many others is given up. */
const WAITING_LIMIT = 240;
const KEEP_WAITING = 120;
const DEFAULT_FPS = 30;

/** A program that decodes and scales, and one that encodes for each rung and segment. */
export class FfmpegVideo implements LiveVideo {
  readonly #spec: LiveSpec;
  readonly #sink: LiveSink;
  readonly #timeline = new LiveTimeline<readonly Buffer[]>();
  #config: SourceVideoConfig;
  #decoder: DecoderProcess | undefined;
  #rungs: FfmpegRung[] = [];
  #epoch: number | undefined;
  /** Pictures on their way into the encoders, in order. */
  #encoding: Promise<void> = Promise.resolve();
  #fault: unknown;

  constructor(spec: LiveSpec, sink: LiveSink) {
    this.#spec = spec;
    this.#sink = sink;
    this.#config = spec.source;
  }

  async push(input: LiveInput): Promise<void> {
    if (this.#fault) throw this.#fault;
    if (input.type === "boundary") this.#timeline.announce(input.boundary);
    else if (input.type === "config") {
      await this.#flushDecoder();
      this.#config = input.config;
    } else if (input.type === "segmentEnd") await this.#flush();
    else await this.#decode(input.frame);
  }

  end(): Promise<void> {
    return this.#flush();
  }

  close(): void {
    this.#decoder?.kill();
    for (const rung of this.#rungs) rung.close();
  }

  async #decode(frame: Frame): Promise<void> {
    if (this.#epoch !== undefined && this.#epoch !== frame.epoch) await this.#flushDecoder();
    this.#epoch = frame.epoch;
    this.#decoder ??= new DecoderProcess(this.#config, this.#spec.rungs, (id, planes) => this.#show(id, planes));
    const id = this.#timeline.accept(frame, readCaptions(this.#config.codec, frame.data));
    await this.#decoder.write(frame, id);
    await this.#encoding;
    for (const due of this.#timeline.due()) this.#encode(due);
    if (this.#timeline.waiting > WAITING_LIMIT) {
      for (const due of this.#timeline.flush(KEEP_WAITING)) this.#encode(due);
    }
  }

  async #flush(): Promise<void> {
    await this.#flushDecoder();
    for (const rung of this.#rungs) await rung.end();
    if (this.#fault) throw this.#fault;
  }

  async #flushDecoder(): Promise<void> {
    await this.#decoder?.end();
    this.#decoder = undefined;
    for (const due of this.#timeline.flush(0)) this.#encode(due);
    await this.#encoding;
  }

  #show(id: number, planes: readonly Buffer[]): void {
    for (const due of this.#timeline.show(id, planes)) this.#encode(due);
  }

  #encode(due: DuePicture<readonly Buffer[]>): void {
    const { sequence, picture: planes } = due;
    if (sequence === undefined) return;
    if (this.#rungs.length === 0) this.#rungs = this.#openRungs(due);
    this.#encoding = this.#encoding.then(async () => {
      await Promise.all(this.#rungs.map((rung, index) => rung.encode(due, sequence, planes?.[index])));
    });
    this.#encoding.catch((error: unknown) => {
      this.#fault ??= error;
    });
  }

  #openRungs(first: DuePicture): FfmpegRung[] {
    const fps = first.duration > 0 ? Math.min(240, VIDEO_TIMESCALE / first.duration) : DEFAULT_FPS;
    return this.#spec.rungs.map((rung, index) => {
      const opened = new FfmpegRung(index, rung, fps, this.#sink);
      return opened;
    });
  }
}
