import assert from "node:assert/strict";
import { placeTags } from "@leat/node/media-io/place-tags.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";

const data = new Uint8Array(1);
const video = (dtsMs: number): DemuxedItem => ({ type: "video", sample: { dtsMs, ctsMs: 0, key: true, data } });
const tag = (atMs?: number): DemuxedItem => ({ type: "tag", tag: { tag: data, ...(atMs !== undefined && { atMs }) } });
const name = (item: DemuxedItem) =>
  item.type === "video" ? item.sample.dtsMs : item.type === "tag" ? `tag ${item.tag.atMs}` : item.type;

describe("tags of a segment", () => {
  const placed = (...items: readonly DemuxedItem[]) => placeTags(items).map(name);

  it("come up to a second before their time, in its order, and behind the first sample", () => {
    assert.deepEqual(placed(tag(4_000), tag(0), tag(500), video(0), video(2_000), video(3_000), video(5_000)), [
      ...[0, "tag 0", "tag 500", 2_000, 3_000, "tag 4000", 5_000],
    ]);
    assert.deepEqual(placed(video(0), video(100), tag(50_000)), [0, 100, "tag 50000"]);
  });

  it("stay where they are without a time, but for the first sample", () => {
    assert.deepEqual(placed(tag(), video(0), video(100), tag(), video(200)), [
      ...[0, "tag undefined", 100, "tag undefined", 200],
    ]);
  });

  it("are none where nothing is seen or heard", () => {
    assert.deepEqual(placed(tag(), tag(5)), []);
  });
});
