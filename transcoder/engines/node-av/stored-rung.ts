import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AV_CODEC_ID_OPUS, AV_PKT_DATA_DISPLAYMATRIX } from "node-av/constants";
import type { CodecContext, Frame as Picture, Stream } from "node-av/lib";
import { Packet } from "node-av/lib";
import type { AudioPacket } from "../../audio-packet.ts";
import type { StoredRendition } from "../../engine.ts";
import { TranscodeError } from "../../errors.ts";
import type { ResolvedRung } from "../../ladder.ts";
import { AUDIO_SAMPLE_RATE, STORED_GOP_SECONDS, storedPreset } from "../../presets.ts";
import { storedThreads } from "../../stored.ts";
import { describeFault, openVideoEncoder } from "./codec.ts";
import { Mp4Output } from "./output.ts";
import { newPicture, Scaler } from "./scaler.ts";

const VIDEO_BASE = { num: 1, den: VIDEO_TIMESCALE };
const AUDIO_BASE = { num: 1, den: AUDIO_SAMPLE_RATE };
/** Pictures that may wait for one rung: decoding runs ahead of the slowest encoder by no more. */
const QUEUE_PICTURES = 8;

export interface SourceFacts {
  readonly video: Stream;
  readonly fps: { readonly num: number; readonly den: number };
}

/** One rendition of a stored transcode: scaling and encoding run in libuv's threads, beside the other rungs'. */
export class StoredRung {
  readonly #rung: ResolvedRung;
  readonly #encoder: CodecContext;
  readonly #output: Mp4Output;
  readonly #videoStream: Stream;
  readonly #audioStream: Stream | undefined;
  readonly #scaler = new Scaler();
  readonly #packet = new Packet();
  readonly #durations = new Map<bigint, number>();
  #tail: Promise<void> = Promise.resolve();
  #queued = 0;
  readonly #waiters: (() => void)[] = [];
  #fault: unknown;
  #frames = 0;
  #firstPts: number | undefined;
  #endPts = 0;
  #slot = -1;

  constructor(rung: ResolvedRung, source: SourceFacts, outDir: string, audio: CodecContext | undefined) {
    this.#rung = rung;
    const { codec, width, height, videoBitrate } = rung;
    const preset = storedPreset(codec, videoBitrate);
    const parameters = source.video.codecpar;
    this.#encoder = openVideoEncoder({
      codec,
      preset,
      width,
      height,
      bitrate: videoBitrate,
      fps: source.fps,
      timeBase: VIDEO_BASE,
      gop: Math.max(1, Math.round((STORED_GOP_SECONDS * source.fps.num) / source.fps.den)),
      threads: storedThreads(),
      sampleAspectRatio: source.video.sampleAspectRatio,
      color: parameters,
    });
    this.#output = new Mp4Output(outDir, rung.name);
    this.#videoStream = this.#output.addStream(this.#encoder, VIDEO_BASE, (out) => {
      const rotation = parameters.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX);
      if (rotation) out.addCodedSideData(AV_PKT_DATA_DISPLAYMATRIX, rotation);
    });
    if (audio) {
      this.#audioStream = this.#output.addStream(audio, AUDIO_BASE, (out) => {
        // Packet times are compensated already: a pre-skip in the header would be taken off twice.
        const head = out.codecId === AV_CODEC_ID_OPUS && out.extradata;
        if (head && head.length >= 12) {
          head.writeUInt16LE(0, 10);
          out.extradata = head;
        }
        out.initialPadding = 0;
      });
    }
    this.#output.open();
    this.#packet.alloc();
  }

  /** Takes a reference to the picture; resolves when there is room for another. */
  async push(picture: Picture, pts: number, duration: number): Promise<void> {
    if (this.#fault) throw this.#fault;
    const { fps } = this.#rung;
    if (fps !== undefined) {
      const slot = Math.floor((pts * fps) / VIDEO_TIMESCALE + 1e-6);
      if (slot === this.#slot) return;
      this.#slot = slot;
    }
    const reference = picture.clone();
    if (!reference) throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec: "frame", reason: "no memory" });
    this.#queued += 1;
    this.#tail = this.#tail
      .then(() => this.#encode(reference, pts, duration))
      .catch((error: unknown) => {
        this.#fault ??= error;
      });
    while (this.#queued >= QUEUE_PICTURES) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    if (this.#fault) throw this.#fault;
  }

  writeAudio(packets: readonly AudioPacket[]): void {
    if (!this.#audioStream) return;
    for (const { pts, duration, data } of packets) {
      const packet = new Packet();
      packet.alloc();
      packet.data = Buffer.from(data);
      packet.pts = BigInt(pts);
      packet.dts = BigInt(pts);
      packet.duration = BigInt(duration);
      packet.isKeyframe = true;
      this.#output.write(packet, this.#audioStream, AUDIO_BASE);
      packet.free();
    }
  }

  async finish(): Promise<StoredRendition> {
    await this.#tail;
    if (this.#fault) throw this.#fault;
    await this.#encoder.sendFrame(null);
    this.#drain();
    const bytes = this.#output.finish();
    const { name, codec, width, height } = this.#rung;
    const durationMs = Math.round((this.#endPts - (this.#firstPts ?? 0)) / 90);
    return { name, codec, width, height, frames: this.#frames, durationMs, bytes, file: this.#output.file };
  }

  async discard(): Promise<void> {
    await this.#tail;
    this.#output.discard();
  }

  async #encode(picture: Picture, pts: number, duration: number): Promise<void> {
    const scaled = newPicture(this.#rung.width, this.#rung.height);
    try {
      if (this.#fault) return;
      this.#check(await this.#scaler.scale(scaled, picture));
      scaled.pts = BigInt(pts);
      scaled.duration = BigInt(duration);
      this.#durations.set(scaled.pts, duration);
      this.#check(await this.#encoder.sendFrame(scaled));
      this.#drain();
    } finally {
      picture.free();
      scaled.free();
      this.#queued -= 1;
      this.#waiters.shift()?.();
    }
  }

  #drain(): void {
    while (this.#encoder.receivePacketSync(this.#packet) >= 0) {
      const duration = this.#durations.get(this.#packet.pts) ?? 0;
      this.#durations.delete(this.#packet.pts);
      this.#firstPts ??= Number(this.#packet.pts);
      this.#endPts = Math.max(this.#endPts, Number(this.#packet.pts) + duration);
      this.#packet.duration = BigInt(duration);
      this.#frames += 1;
      this.#output.write(this.#packet, this.#videoStream, VIDEO_BASE);
      this.#packet.unref();
    }
  }

  #check(result: number): void {
    if (result >= 0) return;
    const { codec } = this.#rung;
    throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec, reason: describeFault(result) });
  }
}
