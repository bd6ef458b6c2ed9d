import { createHash } from "node:crypto";
import { LiveWindow } from "@leat/node/media/live-window.ts";
import { type Part, SegmentPackager } from "@leat/node/media/packager.ts";
import { placePart, placeParts } from "@leat/node/media/running-hash.ts";
import type { HlsStream } from "@leat/node/media-io/hls/stream.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";

export const sha256 = (bytes: Uint8Array) => bytesToHex(createHash("sha256").update(bytes).digest());

/** A stream as an edge serves it, of media that a test packs. */
export class TestStream implements HlsStream {
  readonly window = new LiveWindow();
  isUnbudgeted = false;
  readonly held = new Map<string, Uint8Array>();
  /** Parts of segments that are not whole yet. */
  readonly open = new Map<string, Uint8Array[]>();
  readonly counted: [rung: number, sequence: number, from: number, to: number][] = [];

  /** How many waited for a part that was not there yet. */
  waits = 0;

  awaited() {
    this.waits += 1;
  }
  pieces(rung: number, sequence: number) {
    const whole = this.held.get(`${rung}/${sequence}`);
    return whole && [whole];
  }
  partBytes(rung: number, sequence: number, part: number) {
    const name = this.window.renditions.find((info) => info.rung === rung)!.name;
    const placed = this.window.part(name, sequence, part);
    if (placed === undefined) return undefined;
    const open = this.open.get(`${rung}/${sequence}`);
    if (open !== undefined) return open[part];
    return this.held.get(`${rung}/${sequence}`)?.subarray(placed.offset, placed.offset + placed.sizeBytes);
  }
  count(rung: number, sequence: number, from: number, to: number) {
    this.counted.push([rung, sequence, from, to]);
  }
  /** Cuts a track at given times, in seconds. */
  addTrack(rung: number, { config, frames }: { config: TrackConfig; frames: Frame[] }, cuts: readonly number[]) {
    this.window.setConfig(rung, 0, config);
    for (const [sequence, start] of cuts.entries()) {
      const end = cuts[sequence + 1] ?? Number.POSITIVE_INFINITY;
      const members = frames.filter(
        (frame) => frame.pts / config.timescale >= start && frame.pts / config.timescale < end,
      );
      const packager = new SegmentPackager({ config, sequence });
      const parts = [...members.map((frame) => packager.push(frame)), packager.finish()].filter(
        (part) => part !== undefined,
      );
      this.addSegment(rung, sequence, parts, packager.totals.durationTicks);
    }
  }
  addPart(rung: number, sequence: number, part: Part) {
    const held = this.open.get(`${rung}/${sequence}`) ?? [];
    this.open.set(`${rung}/${sequence}`, held);
    const offset = held.reduce((sum, bytes) => sum + bytes.length, 0);
    held.push(part.bytes);
    const wallClockMs = 1_700_000_000_000 + sequence * 2000;
    const place = { rung, sequence, epoch: 0, configVersion: 0, wallClockMs };
    this.window.addPart(place, placePart(part, sha256(part.bytes), offset));
  }
  addSegment(rung: number, sequence: number, parts: Part[], durationTicks: number) {
    this.open.delete(`${rung}/${sequence}`);
    this.held.set(`${rung}/${sequence}`, Buffer.concat(parts.map((part) => part.bytes)));
    const placed = placeParts(parts.map((part) => ({ part, sha256: sha256(part.bytes) })));
    const frames = parts.reduce((sum, part) => sum + part.frames, 0);
    const sizeBytes = parts.reduce((sum, part) => sum + part.bytes.length, 0);
    const wallClockMs = 1_700_000_000_000 + sequence * 2000;
    this.window.add({
      rung,
      sequence,
      epoch: 0,
      configVersion: 0,
      wallClockMs,
      frames,
      durationTicks,
      sizeBytes,
      parts: placed,
    });
  }
}
