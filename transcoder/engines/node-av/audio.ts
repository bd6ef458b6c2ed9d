import type { AudioConfig, Frame } from "@leat/sdk/protocol/frame.ts";
import type { CodecContext } from "node-av/lib";
import { Packet, Frame as Samples } from "node-av/lib";
import type { AudioInput, AudioSink, AudioSpec, LiveAudio } from "../../engine.ts";
import { type AudioPacket, canPass, describeAudio, PassingGroup, toFrame } from "../../passing-sound.ts";
import { AUDIO_SAMPLE_RATE } from "../../presets.ts";
import { AudioFeed } from "./audio-feed.ts";
import { openAudioDecoder } from "./codec.ts";

/**
 * Decodes the live sound once, for all groups. A group of the source's own codec gets its packets as they are while that
 * will do, and is encoded from then on: what decoders were set up for holds for both.
 */
export class NodeAvAudio implements LiveAudio {
  readonly #spec: AudioSpec;
  readonly #sink: AudioSink;
  readonly #packet = new Packet();
  readonly #samples = new Samples();
  readonly #channels: number;
  readonly #feed: AudioFeed;
  readonly #passing: (PassingGroup | undefined)[];
  readonly #configured: boolean[] = [];
  /** Up to where each group's packets reach. */
  readonly #ends: { epoch: number; pts: number }[] = [];
  #config: AudioConfig;
  #decoder: CodecContext | undefined;
  #epoch: number | undefined;
  #arrivalMs = 0;

  constructor(spec: AudioSpec, sink: AudioSink) {
    this.#spec = spec;
    this.#sink = sink;
    this.#config = spec.source;
    this.#channels = spec.source.channels === 1 ? 1 : 2;
    this.#passing = spec.groups.map((group) => {
      return canPass(group.codec, spec.source) ? new PassingGroup(group, this.#channels) : undefined;
    });
    this.#feed = new AudioFeed(
      spec.groups,
      this.#channels,
      (index, packets) => this.#emit(index, packets),
      (index) => this.#passing[index] !== undefined,
    );
    this.#packet.alloc();
    this.#samples.alloc();
  }

  push(input: AudioInput): void {
    if (input.type === "frame") this.#decode(input.frame);
    else if (input.type === "config") {
      this.#flushDecoder();
      this.#config = input.config;
      for (const [index, { codec }] of this.#spec.groups.entries()) {
        const fits = canPass(codec, input.config) && input.config.channels === this.#channels;
        if (this.#passing[index] !== undefined && !fits) this.#encode(index);
      }
    } else {
      this.#flushDecoder();
      this.#enter(input.epoch);
      this.#arrivalMs = input.arrivalMs;
      this.#feed.silence(input.from, input.until);
      for (const [index, group] of this.#passing.entries()) {
        if (group !== undefined) this.#emit(index, group.silence(input.epoch, input.from, input.until));
      }
    }
  }

  end(): void {
    this.#flushDecoder();
    this.#feed.end();
  }

  close(): void {
    this.#decoder?.freeContext();
    this.#decoder = undefined;
    this.#feed.close();
  }

  #decode(frame: Frame): void {
    this.#enter(frame.epoch);
    this.#arrivalMs = frame.arrivalMs;
    this.#decoder ??= openAudioDecoder(this.#config);
    this.#packet.data = Buffer.from(frame.data.buffer, frame.data.byteOffset, frame.data.byteLength);
    this.#packet.pts = BigInt(frame.pts);
    this.#packet.dts = BigInt(frame.pts);
    // A refusal is a broken frame: it leaves a hole, which is filled with silence.
    this.#decoder.sendPacketSync(this.#packet);
    this.#packet.unref();
    if (this.#receive(this.#decoder)) this.#pass(frame);
  }

  #pass(frame: Frame): void {
    for (const [index, group] of this.#passing.entries()) {
      if (group === undefined) continue;
      this.#emit(index, group.push(frame));
      if (group.isUnfit) this.#encode(index);
    }
  }

  /** The group is encoded from here on. */
  #encode(index: number): void {
    this.#passing[index] = undefined;
    this.#feed.begin(index, this.#spec.groups[index]!);
  }

  #enter(epoch: number): void {
    if (this.#epoch === epoch) return;
    this.#flushDecoder();
    this.#epoch = epoch;
    this.#feed.startEpoch(epoch);
  }

  #flushDecoder(): void {
    if (this.#decoder) {
      this.#decoder.sendPacketSync(null);
      this.#receive(this.#decoder);
      this.#decoder.freeContext();
      this.#decoder = undefined;
    }
    this.#feed.flush();
  }

  /** Whether something was heard, at the rate that the source says: SBR that it does not name doubles it. */
  #receive(decoder: CodecContext): boolean {
    let isHeard = false;
    while (decoder.receiveFrameSync(this.#samples) >= 0) {
      isHeard ||= this.#samples.sampleRate === this.#config.sampleRate;
      const stands = Math.round((Number(this.#samples.pts) * AUDIO_SAMPLE_RATE) / this.#config.timescale);
      this.#feed.feed(this.#samples, stands);
      this.#samples.unref();
    }
    return isHeard;
  }

  #emit(index: number, packets: readonly AudioPacket[]): void {
    for (const packet of packets) {
      const { epoch, pts, duration } = packet;
      const end = this.#ends[index];
      // An encoder that begins behind packets that were passed on warms up before its first sample.
      if (end !== undefined && epoch === end.epoch && pts < end.pts) continue;
      this.#ends[index] = { epoch, pts: pts + duration };
      this.#configure(index);
      this.#sink.frame(index, toFrame(packet, this.#arrivalMs));
    }
  }

  #configure(index: number): void {
    if (this.#configured[index]) return;
    this.#configured[index] = true;
    const { codec } = this.#spec.groups[index]!;
    const isPassing = this.#passing[index] !== undefined;
    const description = isPassing ? this.#config.description : this.#feed.encoder(index).extradata;
    this.#sink.config(index, 1, describeAudio(codec, this.#channels, description));
  }
}
