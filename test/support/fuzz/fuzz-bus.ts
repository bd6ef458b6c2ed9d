import assert from "node:assert/strict";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { Timeline } from "@leat/node/media/timeline.ts";
import { decodeMediaMessage, encodeMediaMessage } from "@leat/node/wire/media/codec.ts";
import { type Frame, isTrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";

/** What comes out must be of use to all that follow: packagers, other nodes, decoders that are told its size. */
export class FuzzBus {
  readonly #timeline = new Timeline();
  readonly #last = new Map<string, number>();
  items = 0;

  take(item: DemuxedItem, sentBytes: number): void {
    this.items += 1;
    try {
      this.#use(item, sentBytes);
    } catch (cause) {
      // A refusal that comes only here would stop a stream at its origin: it is no answer to the publisher.
      throw new Error(`no use for ${item.type}`, { cause });
    }
  }

  #use(item: DemuxedItem, sentBytes: number): void {
    if (item.type === "config") {
      const { config } = item;
      assert.ok(isTrackConfig(config));
      const version = this.#timeline.configure(config);
      const sent = Buffer.concat(encodeMediaMessage({ type: "config", rung: 0, version, config }));
      const arrived = decodeMediaMessage(sent);
      assert.ok(arrived.type === "config" && arrived.config.codecString === config.codecString);
      initSegment(config);
      return;
    }
    if (item.type === "cue") {
      const { atMs = 0, command } = item.cue;
      assert.ok(Number.isFinite(atMs) && command.length <= 1_024);
      return;
    }
    if (item.type === "tag") {
      const { atMs = 0, tag } = item.tag;
      assert.ok(Number.isFinite(atMs) && tag.length > 0 && tag.length <= sentBytes * 8 + 64);
      return;
    }
    const { dtsMs, data } = item.sample;
    const cts = item.type === "video" ? item.sample.ctsMs : 0;
    // Lengths grow from one byte to four, and no more.
    assert.ok(data.length > 0 && data.length <= sentBytes * 4);
    const sample = { dts: dtsMs, cts, key: item.type === "audio" || item.sample.key, data };
    for (const frame of this.#timeline[item.type](sample, 0)) this.#pass(frame);
  }

  #pass(frame: Frame): void {
    const track = `${frame.kind} ${frame.epoch}`;
    assert.ok(frame.dts > (this.#last.get(track) ?? -1) && frame.pts >= 0);
    this.#last.set(track, frame.dts);
    decodeMediaMessage(Buffer.concat(encodeMediaMessage({ type: "frame", rung: 0, sequence: 0, frame })));
  }
}
