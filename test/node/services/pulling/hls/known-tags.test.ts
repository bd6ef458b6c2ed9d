import assert from "node:assert/strict";
import { KnownTags } from "@leat/node/services/pulling/hls/known-tags.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import { writeTag } from "../../../../support/timed-tags.ts";

const tag = (text: string, atMs?: number): DemuxedItem => ({
  type: "tag",
  tag: { tag: writeTag(text), ...(atMs !== undefined && { atMs }) },
});
const audio: DemuxedItem = { type: "audio", sample: { dtsMs: 0, data: new Uint8Array(1) } };

describe("tags of a source", () => {
  let known: KnownTags;
  const isNew = (item: DemuxedItem, discontinuity = 0) => known.takeNew([audio, item], discontinuity).includes(item);

  beforeEach(() => {
    known = new KnownTags();
  });

  it("are told again by another text, at another time, and behind a discontinuity", () => {
    assert.ok(isNew(tag("one", 1_000)));
    assert.ok(isNew(tag("two", 1_000)));
    assert.ok(isNew(tag("one", 1_021)));
    assert.ok(isNew(tag("one", 1_000), 1));
  });

  it("are not told again within what two tracks call the same time, nor what stands between them left out", () => {
    assert.ok(isNew(tag("one", 1_000)));
    assert.ok(!isNew(tag("one", 1_020)));
    assert.deepEqual(known.takeNew([audio, tag("one", 980), audio], 0), [audio, audio]);
  });

  it("are told each time where they name none", () => {
    assert.ok(isNew(tag("one")));
    assert.ok(isNew(tag("one")));
  });

  it("are none of a segment without media, and may come again with it", () => {
    assert.deepEqual(known.takeNew([tag("one", 1_000)], 0), []);
    assert.ok(isNew(tag("one", 1_000)));
  });

  it("are forgotten when there were many others", () => {
    isNew(tag("one", 0));
    for (let index = 1; index < 64; index += 1) isNew(tag("other", index * 100));
    assert.ok(!isNew(tag("one", 0)));
    isNew(tag("other", 6_400));
    assert.ok(isNew(tag("one", 0)));
  });
});
