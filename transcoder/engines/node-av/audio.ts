import type { Frame, SourceAudioConfig } from "@leat/sdk/protocol/frame.ts";
import type { CodecContext } from "node-av/lib";
import { Packet, Frame as Samples } from "node-av/lib";
import { type AudioPacket, describeAudio, toFrame } from "../../audio-packet.ts";
import type { AudioInput, AudioSink, AudioSpec, LiveAudio } from "../../engine.ts";
import { AUDIO_SAMPLE_RATE } from "../../presets.ts";
import { AudioFeed } from "./audio-feed.ts";
import { openAudioDecoder } from "./codec.ts";

/** Decodes the live sound once, for all groups. */
export class NodeAvAudio implements LiveAudio {
  readonly #spec: AudioSpec;
  readonly #sink: AudioSink;
  readonly #packet = new Packet();
  readonly #samples = new Samples();
  readonly #feed: AudioFeed;
  readonly #configured: boolean[] = [];
  #config: SourceAudioConfig;
  #decoder: CodecContext | undefined;
  #epoch: number | undefined;
  #arrivalMs = 0;

  constructor(spec: AudioSpec, sink: AudioSink) {
    this.#spec = spec;
    this.#sink = sink;
    this.#config = spec.source;
    this.#feed = new AudioFeed(spec.groups, spec.channels, (index, packets) => this.#emit(index, packets));
    this.#packet.alloc();
    this.#samples.alloc();
  }

  push(input: AudioInput): void {
    if (input.type === "frame") this.#decode(input.frame);
    else if (input.type === "config") {
      this.#flushDecoder();
      this.#config = input.config;
    } else {
      this.#flushDecoder();
      this.#enter(input.epoch);
      this.#arrivalMs = input.arrivalMs;
      this.#feed.silence(input.from, input.until);
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
    this.#receive(this.#decoder);
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

  #receive(decoder: CodecContext): void {
    while (decoder.receiveFrameSync(this.#samples) >= 0) {
      const stands = Math.round((Number(this.#samples.pts) * AUDIO_SAMPLE_RATE) / this.#config.timescale);
      this.#feed.feed(this.#samples, stands);
      this.#samples.unref();
    }
  }

  #emit(index: number, packets: readonly AudioPacket[]): void {
    for (const packet of packets) {
      this.#configure(index);
      this.#sink.frame(index, toFrame(packet, this.#arrivalMs));
    }
  }

  #configure(index: number): void {
    if (this.#configured[index]) return;
    this.#configured[index] = true;
    const { codec } = this.#spec.groups[index]!;
    this.#sink.config(index, 1, describeAudio(codec, this.#spec.channels, this.#feed.encoder(index).extradata));
  }
}
