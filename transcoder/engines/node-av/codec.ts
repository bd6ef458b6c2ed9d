import {
  isTrackConfig,
  type SourceAudioConfig,
  type SourceVideoCodec,
  type SourceVideoConfig,
  type VideoCodec,
} from "@leat/sdk/protocol/frame.ts";
import type { AVCodecID } from "node-av/constants";
import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_CODEC_ID_AAC,
  AV_CODEC_ID_AV1,
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_OPUS,
  AV_CODEC_ID_PCM_ALAW,
  AV_CODEC_ID_PCM_MULAW,
  AV_CODEC_ID_VP8,
  AV_CODEC_ID_VP9,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
} from "node-av/constants";
import type { Frame as Picture } from "node-av/lib";
import { Codec, CodecContext, CodecParameters, FFmpegError, Rational } from "node-av/lib";
import { TranscodeError } from "../../errors.ts";
import type { VideoPreset } from "../../presets.ts";
import { targetSpace } from "./scaler.ts";
import { pixelFormatOf, type Upload } from "./upload.ts";

const VIDEO_IDS: Readonly<Record<SourceVideoCodec, AVCodecID>> = {
  h264: AV_CODEC_ID_H264,
  hevc: AV_CODEC_ID_HEVC,
  vp9: AV_CODEC_ID_VP9,
  av1: AV_CODEC_ID_AV1,
  vp8: AV_CODEC_ID_VP8,
};

export function describeFault(code: number): string {
  return new FFmpegError(code).message;
}

/** A decoder for what `parameters` describe. One thread: frames must come out as soon as they can. */
export function openDecoder(parameters: CodecParameters, name: string, threads = 1): CodecContext {
  const codec = Codec.findDecoder(parameters.codecId);
  if (!codec) throw new TranscodeError({ code: "TRANSCODE_DECODER_MISSING", codec: name, engine: "node-av" });
  const context = new CodecContext();
  context.allocContext3(codec);
  context.parametersToContext(parameters);
  context.threadCount = threads;
  const opened = context.open2Sync(codec);
  if (opened < 0) {
    context.freeContext();
    throw new TranscodeError({ code: "TRANSCODE_DECODER_FAILED", codec: name, reason: describeFault(opened) });
  }
  return context;
}

/** `reorderFrames` is how many pictures the decoder must hold back where the bitstream does not say. */
export function openVideoDecoder(config: SourceVideoConfig, reorderFrames: number): CodecContext {
  const parameters = new CodecParameters();
  parameters.alloc();
  try {
    parameters.codecType = AVMEDIA_TYPE_VIDEO;
    parameters.codecId = VIDEO_IDS[config.codec];
    parameters.width = config.width;
    parameters.height = config.height;
    parameters.videoDelay = reorderFrames;
    // VP9 has no out-of-band configuration: its decoder would take a vpcC body for nothing.
    if (config.codec !== "vp9" && config.description.length > 0) parameters.extradata = Buffer.from(config.description);
    return openDecoder(parameters, config.codec);
  } finally {
    parameters.free();
  }
}

const AUDIO_IDS = {
  aac: AV_CODEC_ID_AAC,
  opus: AV_CODEC_ID_OPUS,
  pcma: AV_CODEC_ID_PCM_ALAW,
  pcmu: AV_CODEC_ID_PCM_MULAW,
} as const;

export function layoutOf(channels: number): typeof AV_CHANNEL_LAYOUT_STEREO {
  return channels === 1 ? AV_CHANNEL_LAYOUT_MONO : AV_CHANNEL_LAYOUT_STEREO;
}

export function openAudioDecoder(config: SourceAudioConfig): CodecContext {
  const parameters = new CodecParameters();
  parameters.alloc();
  try {
    parameters.codecType = AVMEDIA_TYPE_AUDIO;
    parameters.codecId = AUDIO_IDS[config.codec];
    parameters.sampleRate = config.sampleRate;
    parameters.channels = config.channels;
    // Nothing in its packets says which channels they are, and what is of no known channel is not resampled.
    if (!isTrackConfig(config)) parameters.channelLayout = layoutOf(config.channels);
    const extradata = config.codec === "opus" ? opusHead(config.description) : Buffer.from(config.description);
    if (extradata.length > 0) parameters.extradata = extradata;
    return openDecoder(parameters, config.codec);
  } finally {
    parameters.free();
  }
}

/** FFmpeg wants Opus's Ogg header: a magic word and version, then the fields of dOps in the other byte order. */
function opusHead(dOps: Uint8Array): Buffer {
  const box = Buffer.from(dOps);
  if (box.length < 11) return Buffer.alloc(0);
  const head = Buffer.concat([Buffer.from("OpusHead"), Buffer.from([1]), box.subarray(1)]);
  head.writeUInt16LE(box.readUInt16BE(2), 10);
  head.writeUInt32LE(box.readUInt32BE(4), 12);
  head.writeInt16LE(box.readInt16BE(8), 16);
  return head;
}

export interface VideoEncoderOptions {
  readonly codec: VideoCodec;
  readonly preset: VideoPreset;
  readonly width: number;
  readonly height: number;
  readonly bitrate: number;
  readonly fps: { readonly num: number; readonly den: number };
  readonly timeBase: { readonly num: number; readonly den: number };
  readonly gop: number;
  readonly threads: number;
  readonly sampleAspectRatio?: { readonly num: number; readonly den: number };
  /** What the source says of its colours: a smaller picture must not be taken for another standard's. */
  readonly color?: ColorFacts;
  /** Where the chip's memory must hold the pictures. */
  readonly upload?: Upload;
}

export type ColorFacts = Pick<Picture, "colorSpace" | "colorPrimaries" | "colorTrc">;

export function openVideoEncoder(options: VideoEncoderOptions): CodecContext {
  const { preset } = options;
  const codec = Codec.findEncoderByName(preset.encoder as never);
  if (!codec) throw new TranscodeError({ code: "TRANSCODE_ENCODER_MISSING", codec: options.codec, engine: "node-av" });
  const context = new CodecContext();
  context.allocContext3(codec);
  context.width = options.width;
  context.height = options.height;
  context.pixelFormat = options.upload?.format ?? pixelFormatOf(preset.encoder);
  if (options.upload) context.hwFramesCtx = options.upload.frames;
  context.timeBase = new Rational(options.timeBase.num, options.timeBase.den);
  context.framerate = new Rational(options.fps.num, options.fps.den);
  context.bitRate = BigInt(options.bitrate);
  if (preset.maxrate > 0) context.rcMaxRate = BigInt(preset.maxrate);
  if (preset.minrate) context.rcMinRate = BigInt(preset.minrate);
  if (preset.maxrate > 0) context.rcBufferSize = preset.bufsize;
  context.gopSize = options.gop;
  context.maxBFrames = 0;
  context.threadCount = options.threads;
  context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  const aspect = options.sampleAspectRatio;
  if (aspect && aspect.num > 0 && aspect.num !== aspect.den) {
    context.sampleAspectRatio = new Rational(aspect.num, aspect.den);
  }
  if (options.color) {
    context.colorSpace = targetSpace(options.color.colorSpace);
    context.colorPrimaries = options.color.colorPrimaries;
    context.colorTrc = options.color.colorTrc;
  }
  for (const [name, value] of Object.entries(preset.options)) context.setOption(name, value);
  const opened = context.open2Sync(codec);
  if (opened < 0) {
    context.freeContext();
    throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec: options.codec, reason: describeFault(opened) });
  }
  return context;
}
