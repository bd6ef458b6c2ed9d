import type { AudioConfig, Frame, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { AV_FRAME_DATA_A53_CC } from "node-av/constants";
import { Packet, Frame as Picture } from "node-av/lib";
import { openAudioDecoder, openVideoDecoder } from "../engines/node-av/codec.ts";
import { Resampler } from "../engines/node-av/resampler.ts";
import { readBarcode } from "./barcode.ts";
import type { Loudness, Sight } from "./media.ts";

const SAMPLES_PER_MS = 48;
const SILENCE_MS = 100;
/** A hundredth of full scale: far below the tone, far above what an encoder leaves in silence. */
const SILENCE_LEVEL = 0.01;
/** Mean luma below the barcode: the pattern's waves have half of it. */
const FLASH_LEVEL = 190;

/** The barcodes that a decoder sees, in the order in which it shows them. Native code: in forked processes only. */
export function judge(config: SourceVideoConfig, frames: readonly Frame[]): (number | null)[] {
  const numbers: (number | null)[] = [];
  decodePictures(config, frames, (picture) => numbers.push(readLuma(picture) ?? null));
  return numbers;
}

/** What else a decoder sees of the pictures. Native code: in forked processes only. */
export function look(config: SourceVideoConfig, frames: readonly Frame[]): Sight {
  const flashesAtMs: number[] = [];
  const captions: string[] = [];
  let isWhite = false;
  decodePictures(config, frames, (picture) => {
    const wasWhite = isWhite;
    captions.push(picture.getSideData(AV_FRAME_DATA_A53_CC)?.toString("hex") ?? "");
    isWhite = lowerMean(picture) >= FLASH_LEVEL;
    if (isWhite && !wasWhite) flashesAtMs.push((Number(picture.pts) * 1000) / config.timescale);
  });
  return { flashesAtMs, captions };
}

function decodePictures(
  config: SourceVideoConfig,
  frames: readonly Frame[],
  onPicture: (picture: Picture) => void,
): void {
  const decoder = openVideoDecoder(config, 0);
  const packet = new Packet();
  packet.alloc();
  const picture = new Picture();
  picture.alloc();
  const receive = () => {
    while (decoder.receiveFrameSync(picture) >= 0) {
      onPicture(picture);
      picture.unref();
    }
  };
  for (const frame of frames) {
    packet.data = Buffer.from(frame.data);
    packet.pts = BigInt(frame.pts);
    packet.dts = BigInt(frame.dts);
    decoder.sendPacketSync(packet);
    packet.unref();
    receive();
  }
  decoder.sendPacketSync(null);
  receive();
  decoder.freeContext();
}

/** Mean luma of the picture's lower half. */
function lowerMean(picture: Picture): number {
  const { width, height } = picture;
  const luma = picture.data?.[0];
  const stride = picture.linesize[0] ?? width;
  let sum = 0;
  for (let row = height >> 1; row < height; row += 1) {
    for (const value of luma?.subarray(row * stride, row * stride + width) ?? []) sum += value;
  }
  return sum / ((height - (height >> 1)) * width);
}

function readLuma(picture: Picture): number | undefined {
  const { width, height } = picture;
  const luma = picture.data?.[0];
  const stride = picture.linesize[0] ?? width;
  if (!luma) return undefined;
  const gray = new Uint8Array(width * height);
  for (let row = 0; row < height; row += 1) gray.set(luma.subarray(row * stride, row * stride + width), row * width);
  return readBarcode(gray, width, height);
}

/** Where silence begins and ends, and what is heard after it. Native code: in forked processes only. */
export function listen(config: AudioConfig, frames: readonly Frame[]): Loudness {
  const decoder = openAudioDecoder(config);
  const resampler = new Resampler(1);
  const packet = new Packet();
  packet.alloc();
  const samples = new Picture();
  samples.alloc();
  // A level for each millisecond that was heard; what was not is silence.
  const levels: number[] = [];
  for (const frame of frames) {
    packet.data = Buffer.from(frame.data);
    packet.pts = BigInt(frame.pts);
    decoder.sendPacketSync(packet);
    packet.unref();
    while (decoder.receiveFrameSync(samples) >= 0) {
      const fromMs = (Number(samples.pts) * 1000) / config.timescale;
      const [plane = new Float32Array()] = resampler.convert(samples);
      for (const [index, value] of plane.entries()) {
        const ms = Math.floor(fromMs + index / SAMPLES_PER_MS);
        levels[ms] = Math.max(levels[ms] ?? 0, Math.abs(value));
      }
      samples.unref();
    }
  }
  decoder.freeContext();
  resampler.close();
  return { ...findSilence(levels), beepsAtMs: findBeeps(levels) };
}

function findSilence(levels: readonly number[]): Pick<Loudness, "fallsAtMs" | "risesAtMs"> {
  for (let at = SILENCE_MS; at < levels.length; at += 1) {
    let length = 0;
    while (at + length < levels.length && (levels[at + length] ?? 0) < SILENCE_LEVEL) length += 1;
    if (length >= SILENCE_MS) return { fallsAtMs: at, risesAtMs: at + length };
  }
  return { fallsAtMs: Number.NaN, risesAtMs: Number.NaN };
}

function findBeeps(levels: readonly number[]): number[] {
  const beepsAtMs: number[] = [];
  let silentMs = 0;
  for (let at = 0; at < levels.length; at += 1) {
    if ((levels[at] ?? 0) < SILENCE_LEVEL) silentMs += 1;
    else {
      if (silentMs >= SILENCE_MS) beepsAtMs.push(at);
      silentMs = 0;
    }
  }
  return beepsAtMs;
}
