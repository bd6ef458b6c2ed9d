import { readCaptions } from "@leat/sdk/protocol/bitstream/captions.ts";
import type { Frame, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import type { CodecContext } from "node-av/lib";
import { Packet, Frame as Picture } from "node-av/lib";
import type { LiveInput, LiveSink, LiveSpec, LiveVideo } from "../../engine.ts";
import type { DuePicture } from "../../timeline.ts";
import { LiveTimeline, REORDER_LIMIT } from "../../timeline.ts";
import { openVideoDecoder } from "./codec.ts";
import { LiveRung } from "./rung.ts";

const DEFAULT_FPS = 30;

/** Decodes once, scales and encodes for each rung, all in step on the worker's one thread. */
export class NodeAvVideo implements LiveVideo {
  readonly #spec: LiveSpec;
  readonly #sink: LiveSink;
  readonly #timeline = new LiveTimeline<Picture>();
  readonly #packet = new Packet();
  readonly #picture = new Picture();
  #config: SourceVideoConfig;
  #decoder: CodecContext | undefined;
  #rungs: LiveRung[] = [];
  #epoch: number | undefined;
  /** Where the encoders' clock stands: epochs follow each other on it without a jump. */
  #clock = { epoch: Number.NaN, offset: 0, last: -1, next: 0 };

  constructor(spec: LiveSpec, sink: LiveSink) {
    this.#spec = spec;
    this.#sink = sink;
    this.#config = spec.source;
    this.#packet.alloc();
    this.#picture.alloc();
  }

  push(input: LiveInput): void {
    switch (input.type) {
      case "boundary":
        this.#timeline.announce(input.boundary);
        return;
      case "config":
        this.#flushDecoder();
        this.#config = input.config;
        return;
      case "segmentEnd":
        this.#flushDecoder();
        for (const rung of this.#rungs) rung.endSegment();
        return;
      case "frame":
        this.#decode(input.frame);
    }
  }

  end(): void {
    this.#flushDecoder();
    for (const rung of this.#rungs) rung.end();
  }

  close(): void {
    this.#decoder?.freeContext();
    this.#decoder = undefined;
    for (const rung of this.#rungs) rung.close();
    this.#rungs = [];
  }

  #decode(frame: Frame): void {
    if (this.#epoch !== undefined && frame.epoch !== this.#epoch) this.#flushDecoder();
    this.#epoch = frame.epoch;
    this.#decoder ??= openVideoDecoder(this.#config, guessReorder(frame));
    const id = this.#timeline.accept(frame, readCaptions(this.#config.codec, frame.data));
    this.#packet.data = Buffer.from(frame.data.buffer, frame.data.byteOffset, frame.data.byteLength);
    this.#packet.pts = BigInt(id);
    this.#packet.dts = BigInt(id);
    this.#packet.isKeyframe = frame.key;
    // A refusal is a broken frame: its picture will be missing, and concealed.
    this.#decoder.sendPacketSync(this.#packet);
    this.#packet.unref();
    this.#receive(this.#decoder);
    for (const due of this.#timeline.due()) this.#encode(due);
    // Pictures that the decoder holds, and those that wait for an earlier time: more are lost.
    for (const due of this.#timeline.flush(2 * REORDER_LIMIT)) this.#encode(due);
  }

  #flushDecoder(): void {
    if (this.#decoder) {
      this.#decoder.sendPacketSync(null);
      this.#receive(this.#decoder);
      this.#decoder.freeContext();
      this.#decoder = undefined;
    }
    for (const due of this.#timeline.flush(0)) this.#encode(due);
  }

  #receive(decoder: CodecContext): void {
    while (decoder.receiveFrameSync(this.#picture) >= 0) {
      const id = Number(this.#picture.pts);
      const picture = this.#timeline.awaits(id) ? this.#picture.clone() : null;
      this.#picture.unref();
      if (picture) for (const due of this.#timeline.show(id, picture)) this.#encode(due);
    }
  }

  #encode(due: DuePicture<Picture>): void {
    if (due.sequence !== undefined) this.#encodeAt(due.sequence, due);
    due.picture?.free();
  }

  #encodeAt(sequence: number, due: DuePicture<Picture>): void {
    if (this.#rungs.length === 0) {
      const fps = due.duration > 0 ? VIDEO_TIMESCALE / due.duration : DEFAULT_FPS;
      const { rungs, encoders } = this.#spec;
      this.#rungs = rungs.map((rung, index) => {
        return new LiveRung(index, rung, Math.min(fps, 240), this.#sink, { encoder: encoders?.[rung.codec] });
      });
    }
    const order = { ...due, sequence, encoderPts: this.#encoderTime(due) };
    for (const rung of this.#rungs) rung.encode(order);
  }

  #encoderTime(due: DuePicture): number {
    if (this.#clock.epoch !== due.epoch) {
      this.#clock = { ...this.#clock, epoch: due.epoch, offset: this.#clock.next - due.pts };
    }
    const time = Math.max(due.pts + this.#clock.offset, this.#clock.last + 1);
    this.#clock.last = time;
    this.#clock.next = time + Math.max(1, due.duration);
    return time;
  }
}

/**
 * The first key frame is shown as many frames after its decoding as the decoder must hold back. Streams whose
 * parameter sets do not say need this, or FFmpeg learns it by losing pictures.
 */
function guessReorder(first: Frame): number {
  if (first.duration <= 0) return first.pts > first.dts ? 2 : 0;
  return Math.min(REORDER_LIMIT, Math.max(0, Math.round((first.pts - first.dts) / first.duration)));
}
