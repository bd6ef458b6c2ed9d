import assert from "node:assert/strict";
import { ID3_SCHEME, writeTags } from "@leat/node/media/mp4/event-message.ts";
import { readTags } from "@leat/node/media/mp4/read-tags.ts";
import { MAX_SEGMENT_MARKS } from "@leat/sdk/protocol/published.ts";
import { writeEvent, writeRelativeEvent } from "../../../support/mp4-tags.ts";
import { writeTag } from "../../../support/timed-tags.ts";

describe("tags of fragmented MP4", () => {
  const [first, second] = [writeTag("first"), writeTag("second")];

  it("are read as they are written, on the clock of the tracks, beyond 32 bits too", () => {
    const ticks = 2 ** 33 + 45_000;
    assert.deepEqual(readTags(writeTags([{ pts: ticks, tag: first }], 90_000)), [
      { time: { atS: ticks / 90_000 }, tag: first },
    ]);
  });

  it("are each tag of a box, and count from the start of the segment in a box of version 0", () => {
    const both = Buffer.concat([first, second]);
    const time = { afterS: 0.5 };
    assert.deepEqual(readTags(writeRelativeEvent(500, 1_000, both)), [
      { time, tag: first },
      { time, tag: second },
    ]);
  });

  it("are none in boxes of another scheme, of an unknown version, without a clock, or cut short", () => {
    const whole = writeEvent(1_000, 1_000, first);
    const unknown = Buffer.from(whole);
    unknown[8] = 2;
    const unended = Buffer.concat([Buffer.from([0, 0, 0, 60]), Buffer.from("emsg"), Buffer.alloc(52, 1)]);
    const cut = Buffer.from(writeRelativeEvent(0, 1, new Uint8Array(0)).subarray(0, -16));
    cut.writeUInt32BE(cut.length);
    const bad = [
      writeEvent(1_000, 1_000, first, "urn:scte:scte35:2013:bin"),
      writeEvent(1_000, 1_000, Buffer.from("KLV, which is none")),
      writeEvent(1_000, 0, first),
      writeEvent(2 ** 60, 1, first),
      unknown,
      unended,
      cut,
      Buffer.from([0, 0, 0, 8, ...Buffer.from("emsg")]),
    ];
    assert.equal(cut.toString("latin1", 12, 12 + ID3_SCHEME.length), ID3_SCHEME);
    assert.deepEqual(
      readTags(Buffer.concat([...bad, whole])).map(({ tag }) => tag),
      [first],
    );
  });

  it("are so many of a segment and no more, however many boxes and tags in one there are", () => {
    const tag = writeTag("");
    const full = writeEvent(0, 1, Buffer.concat(Array<Uint8Array>(100_000).fill(tag)));
    assert.equal(readTags(full).length, 8);
    const tags = readTags(Buffer.concat(Array<Buffer>(1_000).fill(writeEvent(0, 1, Buffer.concat([tag, tag, tag])))));
    assert.equal(tags.length, MAX_SEGMENT_MARKS);
  });
});
