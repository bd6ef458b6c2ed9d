import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { describeCoded, toFrameData } from "../../bitstream/coded-picture.ts";
import type { LiveSink } from "../../engine.ts";
import { TranscodeError } from "../../errors.ts";
import type { ResolvedRung } from "../../ladder.ts";
import type { VideoPreset } from "../../presets.ts";
import { livePreset } from "../../presets.ts";
import type { DuePicture } from "../../timeline.ts";
import { SegmentEncoder } from "./segment-encoder.ts";

/** What is remembered of a picture until it comes out: not the picture. */
interface Order extends Pick<DuePicture, "epoch" | "pts" | "duration" | "arrivalMs" | "captions"> {
  readonly isConcealed: boolean;
}

interface Segment {
  readonly sequence: number;
  readonly encoder: SegmentEncoder;
  readonly orders: Order[];
}

/** One rung: a program for each segment, whose frames leave in the segments' order. */
export class FfmpegRung {
  readonly #index: number;
  readonly #rung: ResolvedRung;
  readonly #preset: VideoPreset;
  readonly #fps: number;
  readonly #sink: LiveSink;
  #segment: Segment | undefined;
  #tail: Promise<void> = Promise.resolve();
  #version = 0;
  #codecString = "";
  #last: Buffer | undefined;
  #isClosed = false;

  constructor(index: number, rung: ResolvedRung, fps: number, sink: LiveSink) {
    const preset = livePreset(rung.codec, rung.videoBitrate);
    this.#index = index;
    this.#rung = rung;
    this.#preset = preset;
    this.#fps = fps;
    this.#sink = sink;
  }

  /** Without planes the picture before is shown again. Resolves when the program has room. */
  async encode(due: DuePicture, sequence: number, planes: Buffer | undefined): Promise<void> {
    if (this.#isClosed) return;
    this.#last = planes ?? this.#last ?? blackPicture(this.#rung);
    if (this.#segment?.sequence !== sequence) this.#startSegment(sequence);
    const segment = this.#segment!;
    const { epoch, pts, duration, arrivalMs, captions } = due;
    segment.orders.push({ epoch, pts, duration, arrivalMs, captions, isConcealed: planes === undefined });
    await segment.encoder.write(this.#last);
  }

  async end(): Promise<void> {
    this.#segment?.encoder.end();
    this.#segment = undefined;
    await this.#tail;
  }

  close(): void {
    this.#isClosed = true;
    this.#segment?.encoder.kill();
  }

  /** Rejects where a program did not give what was asked of it. */
  get finished(): Promise<void> {
    return this.#tail;
  }

  #startSegment(sequence: number): void {
    this.#segment?.encoder.end();
    const encoder = new SegmentEncoder(this.#rung, this.#preset, this.#fps);
    const segment: Segment = { sequence, encoder, orders: [] };
    this.#segment = segment;
    this.#tail = this.#tail.then(() => this.#deliver(segment));
    // Whoever waits for the end hears of it.
    this.#tail.catch(() => {});
  }

  async #deliver({ sequence, encoder, orders }: Segment): Promise<void> {
    let frames = 0;
    let concealed = 0;
    for await (const data of encoder.frames()) {
      const order = orders[frames];
      if (!order) throw this.#failed("it gave too many pictures");
      if (frames === 0) this.#announce(data);
      frames += 1;
      if (order.isConcealed) concealed += 1;
      this.#sink.frame(this.#index, sequence, this.#toFrame(order, data, frames === 1));
    }
    if (frames !== orders.length) throw this.#failed(`it gave ${frames} of ${orders.length} pictures`);
    this.#sink.segmentEnd(this.#index, sequence, { frames, concealed });
  }

  #toFrame(order: Order, data: Buffer, key: boolean): Frame {
    const { epoch, pts, duration, arrivalMs, captions } = order;
    const payload = toFrameData(this.#rung.codec, Buffer.from(data), captions);
    const times = { epoch, dts: pts, pts, duration };
    return { kind: "video", ...times, key, configVersion: this.#version, arrivalMs, data: payload };
  }

  #announce(first: Buffer): void {
    const { codec, width, height } = this.#rung;
    const shape = { kind: "video", codec, timescale: VIDEO_TIMESCALE, width, height } as const;
    const facts = describeCoded(codec, first, this.#fps);
    const config: VideoConfig = { ...shape, ...facts };
    const text = `${facts.codecString} ${Buffer.from(facts.description).toString("hex")}`;
    if (text === this.#codecString) return;
    this.#codecString = text;
    this.#version += 1;
    this.#sink.config(this.#index, this.#version, config);
  }

  #failed(reason: string): TranscodeError {
    return new TranscodeError({ code: "TRANSCODE_PROGRAM_FAILED", program: "ffmpeg", reason });
  }
}

function blackPicture({ width, height }: ResolvedRung): Buffer {
  const luma = width * height;
  return Buffer.concat([Buffer.alloc(luma, 16), Buffer.alloc(luma / 2, 128)]);
}
