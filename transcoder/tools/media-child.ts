import { closeSync, openSync, writeSync } from "node:fs";
import { FLV_HEADER } from "../bitstream/flv.ts";
import { isCoded } from "../errors.ts";
import { encodeMessage, MessageReader } from "../ipc.ts";
import { openFileSource } from "./file-source.ts";
import { FlvWriter } from "./flv.ts";
import { judge, listen, look } from "./judge.ts";
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

process.stdin.on("data", (chunk: Buffer) => {
  try {
    for (const raw of reader.push(chunk)) {
      const message = raw as ToMediaChild;
      if (message.type === "write") writeFlv(message.input, message.path);
      else if (message.type === "judge") send({ type: "numbers", numbers: judge(message.config, message.frames) });
      else if (message.type === "look") send({ type: "seen", sight: look(message.config, message.frames) });
      else if (message.type === "listen") send({ type: "heard", loudness: listen(message.config, message.frames) });
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
