import { AV_CODEC_FLAG_GLOBAL_HEADER, AV_SAMPLE_FMT_FLT, AV_SAMPLE_FMT_FLTP } from "node-av/constants";
import { Codec, CodecContext, CodecParameters, Packet, Rational, Frame as Samples } from "node-av/lib";
import type { AudioPacket } from "../../audio-packet.ts";
import { TranscodeError } from "../../errors.ts";
import type { AudioGroup } from "../../ladder.ts";
import { AUDIO_ENCODERS, AUDIO_SAMPLE_RATE } from "../../presets.ts";
import { describeFault, layoutOf } from "./codec.ts";

/** Where samples stand on the stream's clock, counted at 48 kHz. */
interface SamplePlace {
  readonly epoch: number;
  readonly pts: number;
}

/** Encodes samples in frames of the codec's own length, and gives every packet the time of what it plays. */
export class GroupEncoder {
  readonly #codec: AudioGroup["codec"];
  readonly #channels: number;
  readonly #context: CodecContext;
  readonly #frameSize: number;
  readonly #padding: number;
  readonly #packet = new Packet();
  readonly #places = new Map<number, SamplePlace>();
  #pending: Float32Array[];
  #pendingSamples = 0;
  #sent = 0;
  #place: SamplePlace = { epoch: 0, pts: 0 };

  constructor(group: AudioGroup, channels: number) {
    this.#codec = group.codec;
    this.#channels = channels;
    this.#context = openAudioEncoder(group, channels);
    this.#frameSize = this.#context.frameSize;
    const parameters = new CodecParameters();
    parameters.alloc();
    parameters.fromContext(this.#context);
    this.#padding = parameters.initialPadding;
    parameters.free();
    this.#pending = Array.from({ length: channels }, () => new Float32Array(this.#frameSize));
    this.#packet.alloc();
  }

  get context(): CodecContext {
    return this.#context;
  }

  get extradata(): Uint8Array {
    return this.#context.extraData ?? new Uint8Array();
  }

  /** The next samples stand here. What is pending is closed with silence first. */
  moveTo(place: SamplePlace): AudioPacket[] {
    const packets = this.#pad();
    this.#place = place;
    return packets;
  }

  write(planes: readonly Float32Array[]): AudioPacket[] {
    const packets: AudioPacket[] = [];
    const total = planes[0]?.length ?? 0;
    for (let at = 0; at < total; ) {
      const count = Math.min(this.#frameSize - this.#pendingSamples, total - at);
      for (const [index, plane] of this.#pending.entries()) {
        plane.set(planes[index]!.subarray(at, at + count), this.#pendingSamples);
      }
      this.#pendingSamples += count;
      at += count;
      if (this.#pendingSamples === this.#frameSize) packets.push(...this.#encode());
    }
    return packets;
  }

  end(): AudioPacket[] {
    const packets = this.#pad();
    this.#context.sendFrameSync(null);
    return [...packets, ...this.#receive()];
  }

  close(): void {
    this.#context.freeContext();
    this.#packet.free();
  }

  #pad(): AudioPacket[] {
    if (this.#pendingSamples === 0) return [];
    for (const plane of this.#pending) plane.fill(0, this.#pendingSamples);
    return this.#encode();
  }

  #encode(): AudioPacket[] {
    const interleaved = this.#codec === "opus";
    const bytes = interleaved ? interleave(this.#pending) : Buffer.concat(this.#pending.map(bytesOf));
    const samples = Samples.fromAudioBuffer(bytes, {
      nbSamples: this.#frameSize,
      format: interleaved ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP,
      sampleRate: AUDIO_SAMPLE_RATE,
      channelLayout: layoutOf(this.#channels),
      timeBase: { num: 1, den: AUDIO_SAMPLE_RATE },
      pts: BigInt(this.#sent),
    });
    this.#places.set(this.#sent, this.#place);
    this.#sent += this.#frameSize;
    this.#place = { epoch: this.#place.epoch, pts: this.#place.pts + this.#frameSize };
    this.#pendingSamples = 0;
    const sent = this.#context.sendFrameSync(samples);
    samples.free();
    if (sent < 0) {
      throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec: this.#codec, reason: describeFault(sent) });
    }
    return this.#receive();
  }

  /**
   * A packet's time is that of the frame it came from less the encoder's own delay, which FFmpeg has already taken off:
   * what a decoder plays for it then stands where its samples stood. What would play before the clock's start is
   * the encoder warming up, and goes.
   */
  #receive(): AudioPacket[] {
    const packets: AudioPacket[] = [];
    while (this.#context.receivePacketSync(this.#packet) >= 0) {
      const key = Number(this.#packet.pts) + this.#padding;
      const place = this.#places.get(key);
      this.#places.delete(key);
      const data = this.#packet.data;
      if (place && data && place.pts >= this.#padding) {
        const { epoch, pts } = place;
        packets.push({ epoch, pts: pts - this.#padding, duration: this.#frameSize, data: Buffer.from(data) });
      }
      this.#packet.unref();
    }
    return packets;
  }
}

function openAudioEncoder(group: AudioGroup, channels: number): CodecContext {
  const codec = Codec.findEncoderByName(AUDIO_ENCODERS[group.codec] as never);
  if (!codec) throw new TranscodeError({ code: "TRANSCODE_ENCODER_MISSING", codec: group.codec, engine: "node-av" });
  const context = new CodecContext();
  context.allocContext3(codec);
  context.sampleRate = AUDIO_SAMPLE_RATE;
  context.sampleFormat = group.codec === "opus" ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP;
  context.channelLayout = layoutOf(channels);
  context.timeBase = new Rational(1, AUDIO_SAMPLE_RATE);
  context.bitRate = BigInt(group.bitrate);
  context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  const opened = context.open2Sync(codec);
  if (opened < 0) {
    context.freeContext();
    throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec: group.codec, reason: describeFault(opened) });
  }
  return context;
}

const bytesOf = (plane: Float32Array) => Buffer.from(plane.buffer, plane.byteOffset, plane.byteLength);

function interleave(planes: readonly Float32Array[]): Buffer {
  const length = planes[0]?.length ?? 0;
  const mixed = new Float32Array(length * planes.length);
  for (const [channel, plane] of planes.entries()) {
    for (let index = 0; index < length; index += 1) mixed[index * planes.length + channel] = plane[index]!;
  }
  return bytesOf(mixed);
}
