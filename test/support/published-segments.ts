import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import type { MediaMessage, ProgressMessage } from "@leat/node/wire/media/message.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { progressStructure } from "@leat/sdk/protocol/signed.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { plainConfig } from "./plain-config.ts";

export const stream: Hex = `0x${"5e".repeat(32)}`;
export const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
export const signer = nativeStatements.createSigner(new Uint8Array(32).fill(7));
export const rendition: RenditionInfo = {
  ...{ rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", bitrate: 1 },
};
/** Of a segment, with a part and a half. */
export const framesPerSegment = 12;
const ticks = 3_000;

export function frameOf(sequence: number, at: number): Frame {
  const time = (sequence * framesPerSegment + at) * ticks;
  const facts = { kind: "video", epoch: 0, dts: time, pts: time, duration: ticks, configVersion: 0 } as const;
  return { ...facts, key: at === 0, arrivalMs: 0, data: Uint8Array.of(sequence, at) };
}

/** What an honest holder sends, by segment. `configs`: of the segments from its number on. */
export async function publishSegments(
  segments: number,
  configs: readonly VideoConfig[] = [],
): Promise<MediaMessage[][]> {
  const options = { keptSegments: segments, partTargetMs: () => 250, onFault: assert.ifError };
  const log = new PublishedLog({ stream, signer, domain, ...options });
  for (let sequence = 0; sequence < segments; sequence += 1) {
    const place = { rung: 1, sequence, epoch: 0, firstFrame: sequence * framesPerSegment, discontinuity: false };
    log.open({ ...place, wallClockMs: sequence * 400, config: configs[sequence] ?? plainConfig });
    for (let at = 0; at < framesPerSegment; at += 1) log.push(1, frameOf(sequence, at));
    log.end(1);
  }
  log.close();
  const sent: MediaMessage[][] = [];
  let config: MediaMessage | undefined;
  for await (const message of log.readFrom(0, new AbortController().signal)) {
    if (message.type === "config") config = message;
    if (message.type === "segmentStart") sent.push([config!]);
    if (message.type !== "config") sent.at(-1)!.push(message);
  }
  return sent;
}

/** What the origin says at `atMs` of its own count: so many parts of the segment are published. */
export async function progressOf(sequence: number, parts: number, atMs: number): Promise<ProgressMessage> {
  const value = { stream, atMs: BigInt(atMs), rung: 1, seq: BigInt(sequence), parts };
  const signature = hexToBytes(await signer.sign(progressStructure, domain, value));
  return { type: "progress", atMs, rung: 1, sequence, parts, signature };
}
