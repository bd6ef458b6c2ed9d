import type { AudioConfig, Frame } from "@leat/sdk/protocol/frame.ts";
import type { CodecContext } from "node-av/lib";
import { Packet, Frame as Samples } from "node-av/lib";
import type { AudioInput, AudioSink, AudioSpec, LiveAudio } from "../../engine.ts";
import { AUDIO_SAMPLE_RATE } from "../../presets.ts";
import type { AudioPacket } from "./audio-group.ts";
import { describeAudio, GroupEncoder, toFrame } from "./audio-group.ts";
import { openAudioDecoder } from "./codec.ts";
import { Resampler } from "./resampler.ts";

/** Publishers round timestamps to milliseconds and worse; what is further off than 20 ms is a hole or an overlap. */
const TOLERANCE_SAMPLES = AUDIO_SAMPLE_RATE / 50;
/** Holes up to this long are filled with silence, longer ones become a jump in time. */
const SILENCE_LIMIT_SAMPLES = AUDIO_SAMPLE_RATE * 10;

/** Decodes once, brings everything to 48 kHz on the stream's clock, and feeds the encoder of each group. */
export class NodeAvAudio implements LiveAudio {
  readonly #spec: AudioSpec;
  readonly #sink: AudioSink;
  readonly #packet = new Packet();
  readonly #samples = new Samples();
  readonly #channels: number;
  readonly #resampler: Resampler;
  readonly #groups: readonly GroupEncoder[];
  readonly #configured: boolean[] = [];
  #config: AudioConfig;
  #decoder: CodecContext | undefined;
  #epoch: number | undefined;
  /** Where the next sample that leaves the resampler stands, on the epoch's clock. */
  #next: number | undefined;
  #arrivalMs = 0;

  constructor(spec: AudioSpec, sink: AudioSink) {
    this.#spec = spec;
    this.#sink = sink;
    this.#config = spec.source;
    this.#channels = spec.source.channels === 1 ? 1 : 2;
    this.#resampler = new Resampler(this.#channels);
    this.#groups = spec.groups.map((group) => new GroupEncoder(group, this.#channels));
    this.#packet.alloc();
    this.#samples.alloc();
  }

  push(input: AudioInput): void {
    if (input.type === "config") {
      this.#flushDecoder();
      this.#config = input.config;
    } else this.#decode(input.frame);
  }

  end(): void {
    this.#flushDecoder();
    for (const [index, group] of this.#groups.entries()) this.#emit(index, group.end());
  }

  close(): void {
    this.#decoder?.freeContext();
    this.#decoder = undefined;
    this.#resampler.close();
    for (const group of this.#groups) group.close();
  }

  #decode(frame: Frame): void {
    if (this.#epoch !== frame.epoch) {
      this.#flushDecoder();
      this.#epoch = frame.epoch;
      this.#next = undefined;
    }
    this.#arrivalMs = frame.arrivalMs;
    this.#decoder ??= openAudioDecoder(this.#config);
    this.#packet.data = Buffer.from(frame.data.buffer, frame.data.byteOffset, frame.data.byteLength);
    this.#packet.pts = BigInt(frame.pts);
    this.#packet.dts = BigInt(frame.pts);
    // A refusal is a broken frame: it leaves a hole, which is filled with silence.
    this.#decoder.sendPacketSync(this.#packet);
    this.#packet.unref();
    this.#receive(this.#decoder);
  }

  #flushDecoder(): void {
    if (this.#decoder) {
      this.#decoder.sendPacketSync(null);
      this.#receive(this.#decoder);
      this.#decoder.freeContext();
      this.#decoder = undefined;
    }
    this.#write(this.#resampler.flush());
  }

  #receive(decoder: CodecContext): void {
    while (decoder.receiveFrameSync(this.#samples) >= 0) {
      const stands = Math.round((Number(this.#samples.pts) * AUDIO_SAMPLE_RATE) / this.#config.timescale);
      const surplus = this.#align(stands);
      const planes = this.#resampler.convert(this.#samples);
      this.#samples.unref();
      this.#write(surplus > 0 ? planes.map((plane) => plane.subarray(surplus)) : planes);
    }
  }

  /** Brings the clock to where the samples at hand say they stand. Returns how many of them were heard already. */
  #align(stands: number): number {
    if (this.#next === undefined) {
      this.#moveTo(stands);
      return 0;
    }
    const hole = stands - (this.#next + this.#resampler.held);
    if (Math.abs(hole) <= TOLERANCE_SAMPLES) return 0;
    if (hole < 0) return -hole;
    this.#write(this.#resampler.flush());
    if (hole > SILENCE_LIMIT_SAMPLES) this.#moveTo(stands);
    else this.#write(Array.from({ length: this.#channels }, () => new Float32Array(stands - this.#next!)));
    return 0;
  }

  #moveTo(pts: number): void {
    this.#next = pts;
    const epoch = this.#epoch ?? 0;
    for (const [index, group] of this.#groups.entries()) this.#emit(index, group.moveTo({ epoch, pts }));
  }

  #write(planes: readonly Float32Array[]): void {
    const samples = planes[0]?.length ?? 0;
    if (samples === 0 || this.#next === undefined) return;
    this.#next += samples;
    for (const [index, group] of this.#groups.entries()) this.#emit(index, group.write(planes));
  }

  #emit(index: number, packets: readonly AudioPacket[]): void {
    for (const packet of packets) {
      if (!this.#configured[index]) {
        this.#configured[index] = true;
        const extradata = this.#groups[index]!.extradata;
        this.#sink.config(index, 1, describeAudio(this.#spec.groups[index]!.codec, this.#channels, extradata));
      }
      this.#sink.frame(index, toFrame(packet, this.#arrivalMs));
    }
  }
}
