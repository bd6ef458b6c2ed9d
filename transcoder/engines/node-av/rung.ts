import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { isSameConfig, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_NONE } from "node-av/constants";
import type { CodecContext, Frame as Picture } from "node-av/lib";
import { Packet } from "node-av/lib";
import { describeCoded, toFrameData } from "../../bitstream/coded-picture.ts";
import { kindOf } from "../../encoders.ts";
import type { LiveSink } from "../../engine.ts";
import { isCoded, TranscodeError } from "../../errors.ts";
import type { ResolvedRung } from "../../ladder.ts";
import { LIVE_GOP, livePreset, type VideoPreset } from "../../presets.ts";
import type { DuePicture } from "../../timeline.ts";
import { describeFault, openVideoEncoder } from "./codec.ts";
import { newPicture, Scaler } from "./scaler.ts";
import { needsUpload, pixelFormatOf, Upload } from "./upload.ts";

/** A picture on its way: encoders know it by its time on their own clock, which never goes back. */
export interface EncodeOrder extends DuePicture<Picture> {
  readonly sequence: number;
  readonly encoderPts: number;
}

export interface RungEncoder {
  /** Another than the codec's software. */
  readonly encoder?: string | undefined;
  /** Whether software does its work where it does not open. */
  readonly mayFallBack?: boolean;
}

/** One rung of a live ladder: scales each picture to its size, encodes it, hands out frames and segment ends. */
export class LiveRung {
  readonly #index: number;
  readonly #rung: ResolvedRung;
  readonly #sink: LiveSink;
  readonly #scaler = new Scaler();
  #scaled: Picture;
  #preset: VideoPreset;
  #upload: Upload | undefined;
  readonly #packet = new Packet();
  readonly #inFlight = new Map<bigint, EncodeOrder>();
  readonly #fps: number;
  readonly #mayFallBack: boolean;
  #encoder: CodecContext | undefined;
  #sequence: number | undefined;
  #forcedFor: number | undefined;
  #frames = 0;
  #concealed = 0;
  /** Whether the encoder's configuration is known. */
  #isDescribed = false;
  #config: { readonly version: number; readonly config: VideoConfig } | undefined;
  #hasPicture = false;

  constructor(
    index: number,
    rung: ResolvedRung,
    fps: number,
    sink: LiveSink,
    { encoder, mayFallBack = true }: RungEncoder = {},
  ) {
    this.#index = index;
    this.#rung = rung;
    this.#fps = fps;
    this.#sink = sink;
    this.#mayFallBack = mayFallBack;
    this.#packet.alloc();
    this.#preset = livePreset(rung.codec, rung.videoBitrate, encoder);
    this.#scaled = newPicture(rung.width, rung.height, pixelFormatOf(this.#preset.encoder));
  }

  encode(order: EncodeOrder): void {
    const { picture } = order;
    const encoder = this.#open(picture);
    if (picture) this.#scale(picture);
    else if (!this.#hasPicture) this.#paintBlack();
    this.#scaled.pts = BigInt(order.encoderPts);
    this.#scaled.duration = BigInt(order.duration);
    this.#scaled.pictType = this.#forcedFor === order.sequence ? AV_PICTURE_TYPE_NONE : AV_PICTURE_TYPE_I;
    this.#forcedFor = order.sequence;
    this.#inFlight.set(this.#scaled.pts, order);
    const loaded = this.#upload?.load(this.#rung.codec, this.#scaled);
    const sent = encoder.sendFrameSync(loaded ?? this.#scaled);
    loaded?.free();
    this.#check(sent);
    this.#drain(encoder);
  }

  end(): void {
    if (this.#encoder) {
      this.#encoder.sendFrameSync(null);
      this.#drain(this.#encoder);
    }
    this.#closeSegment();
  }

  /** All comes out now. An encoder that was drained takes nothing more: the next picture opens another. */
  endSegment(): void {
    this.end();
    this.#encoder?.freeContext();
    this.#encoder = undefined;
  }

  close(): void {
    this.#encoder?.freeContext();
    this.#encoder = undefined;
    this.#upload?.close();
    this.#scaler.close();
    this.#scaled.free();
    this.#packet.free();
  }

  #scale(picture: Picture): void {
    this.#scaled.makeWritable();
    this.#check(this.#scaler.scaleSync(this.#scaled, picture));
    this.#hasPicture = true;
  }

  #paintBlack(): void {
    const [luma, first, second] = this.#scaled.data ?? [];
    luma?.fill(16);
    first?.fill(128);
    second?.fill(128);
    this.#hasPicture = true;
  }

  #open(picture: Picture | undefined): CodecContext {
    if (this.#encoder) return this.#encoder;
    this.#isDescribed = false;
    try {
      this.#encoder = this.#openEncoder(picture);
    } catch (error) {
      const { encoder } = this.#preset;
      if (!isCoded(error) || kindOf(encoder) === "software" || !this.#mayFallBack) throw error;
      this.#sink.fallback?.(this.#index, encoder, error.message);
      this.#takeSoftware();
      this.#encoder = this.#openEncoder(picture);
    }
    return this.#encoder;
  }

  #openEncoder(picture: Picture | undefined): CodecContext {
    const { codec, width, height, videoBitrate } = this.#rung;
    if (needsUpload(this.#preset.encoder)) this.#upload ??= new Upload(codec, width, height);
    return openVideoEncoder({
      codec,
      preset: this.#preset,
      width,
      height,
      bitrate: videoBitrate,
      fps: { num: Math.round(this.#fps * 1000), den: 1000 },
      timeBase: { num: 1, den: VIDEO_TIMESCALE },
      gop: LIVE_GOP,
      threads: 1,
      sampleAspectRatio: picture?.sampleAspectRatio,
      color: picture,
      upload: this.#upload,
    });
  }

  #takeSoftware(): void {
    const { codec, width, height, videoBitrate } = this.#rung;
    this.#upload?.close();
    this.#upload = undefined;
    this.#preset = livePreset(codec, videoBitrate);
    this.#scaled.free();
    this.#scaled = newPicture(width, height, pixelFormatOf(this.#preset.encoder));
    this.#hasPicture = false;
  }

  #drain(encoder: CodecContext): void {
    while (encoder.receivePacketSync(this.#packet) >= 0) {
      const order = this.#inFlight.get(this.#packet.pts);
      const data = this.#packet.data;
      if (order && data) {
        this.#inFlight.delete(this.#packet.pts);
        this.#emit(order, Buffer.from(data), this.#packet.isKeyframe);
      }
      this.#packet.unref();
    }
  }

  #emit(order: EncodeOrder, data: Uint8Array, key: boolean): void {
    if (!this.#isDescribed) this.#announce(this.#describe(data));
    if (this.#sequence !== order.sequence) this.#closeSegment();
    this.#sequence = order.sequence;
    this.#frames += 1;
    if (order.picture === undefined) this.#concealed += 1;
    const { epoch, pts, duration, arrivalMs, captions } = order;
    const frame: Frame = {
      kind: "video",
      epoch,
      dts: pts,
      pts,
      duration,
      key,
      configVersion: this.#config!.version,
      arrivalMs,
      data: toFrameData(this.#rung.codec, data, captions),
    };
    this.#sink.frame(this.#index, order.sequence, frame);
  }

  #closeSegment(): void {
    if (this.#sequence === undefined) return;
    this.#sink.segmentEnd(this.#index, this.#sequence, { frames: this.#frames, concealed: this.#concealed });
    this.#sequence = undefined;
    this.#frames = 0;
    this.#concealed = 0;
  }

  /** An encoder that follows another mostly writes what that one did. */
  #announce(config: VideoConfig): void {
    this.#isDescribed = true;
    if (this.#config !== undefined && isSameConfig(this.#config.config, config)) return;
    this.#config = { version: (this.#config?.version ?? 0) + 1, config };
    this.#sink.config(this.#index, this.#config.version, config);
  }

  #describe(firstFrame: Uint8Array): VideoConfig {
    const { codec, width, height } = this.#rung;
    const shape = { kind: "video", codec, timescale: VIDEO_TIMESCALE, width, height } as const;
    // VP9 has no head of its own: its key frames say all.
    const head = codec === "vp9" ? firstFrame : (this.#encoder?.extraData ?? firstFrame);
    return { ...shape, ...describeCoded(codec, head, this.#fps) };
  }

  #check(result: number): void {
    if (result >= 0) return;
    const reason = describeFault(result);
    throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec: this.#rung.codec, reason });
  }
}
