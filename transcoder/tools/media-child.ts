import { closeSync, openSync, writeSync } from "node:fs";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { Packet, Frame as Picture } from "node-av/lib";
import { openVideoDecoder } from "../engines/node-av/codec.ts";
import { isCoded } from "../errors.ts";
import { encodeMessage, MessageReader } from "../ipc.ts";
import { readBarcode } from "./barcode.ts";
import { openFileSource } from "./file-source.ts";
import { FLV_HEADER, FlvWriter } from "./flv.ts";
import type { FromMediaChild, ToMediaChild } from "./media.ts";
import type { MediaInput, MediaItem } from "./media-item.ts";
import { openPatternSource } from "./pattern-source.ts";

const reader = new MessageReader();

function openSource(input: MediaInput): Generator<MediaItem> {
  return typeof input === "string" ? openFileSource(input) : openPatternSource(input.pattern);
}

function send(message: FromMediaChild): void {
  process.stdout.write(encodeMessage(message));
}

function writeFlv(input: MediaInput, path: string): void {
  const file = openSync(path, "w");
  try {
    writeSync(file, FLV_HEADER);
    const writer = new FlvWriter();
    for (const item of openSource(input)) {
      for (const tag of writer.write(item)) writeSync(file, tag.toFileBytes());
    }
  } finally {
    closeSync(file);
  }
}

function judge(config: VideoConfig, frames: readonly Frame[]): (number | null)[] {
  const decoder = openVideoDecoder(config, 0);
  const packet = new Packet();
  packet.alloc();
  const picture = new Picture();
  picture.alloc();
  const numbers: (number | null)[] = [];
  const receive = () => {
    while (decoder.receiveFrameSync(picture) >= 0) {
      numbers.push(readLuma(picture) ?? null);
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
  return numbers;
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

process.stdin.on("data", (chunk: Buffer) => {
  try {
    for (const raw of reader.push(chunk)) {
      const message = raw as ToMediaChild;
      if (message.type === "write") writeFlv(message.input, message.path);
      else if (message.type === "judge") send({ type: "numbers", numbers: judge(message.config, message.frames) });
      else for (const item of openSource(message.input)) send({ type: "item", item });
      send({ type: "finished" });
    }
  } catch (error) {
    if (!isCoded(error)) throw error;
    send({ type: "error", detail: error.detail });
    process.exitCode = 2;
    process.stdin.destroy();
  }
});
process.stdin.on("end", () => process.exit());
