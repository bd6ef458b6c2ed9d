import assert from "node:assert/strict";
import { isSample, MAX_SEGMENT_MARKS } from "@leat/sdk/protocol/published.ts";
import { demuxFile } from "@leat/transcoder/mpegts/demux-file.ts";
import { TsDemuxer } from "@leat/transcoder/mpegts/demuxer.ts";
import { withTags, writeTag } from "../../support/timed-tags.ts";
import { demux, H264, makeTs, PICTURES, packetsOf } from "../../support/ts-files.ts";

const VIDEO_PID = 256;

describe("demuxing a file", () => {
  it("gives what is in it, and turns to others in between", async function () {
    this.timeout(30_000);
    const filling = new Uint8Array(188).fill(0xff);
    filling.set([0x47, 0x1f, 0xff, 0x10]);
    const file = Buffer.concat([await makeTs(...PICTURES, ...H264), ...Array<Uint8Array>(6_000).fill(filling)]);
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const items = await demuxFile(new TsDemuxer(), Uint8Array.from(file));
    isOver = true;
    assert.deepEqual(items, demux(Uint8Array.from(file)).items);
    assert.ok(turns >= 4, `${turns} turns for ${file.length} bytes`);
  });

  it("gives so many tags and no more, and all else", async function () {
    this.timeout(30_000);
    const file = await makeTs(...PICTURES, ...H264);
    const [first, second] = packetsOf(file, VIDEO_PID);
    const many = Array.from({ length: MAX_SEGMENT_MARKS + 9 }, (_, at) => ({
      at: first!,
      ticks: at,
      payload: writeTag(""),
    }));
    const tagged = withTags(file, [...many, { at: second!, ticks: 90_000, payload: writeTag("late") }]);
    const items = await demuxFile(new TsDemuxer(), Uint8Array.from(tagged));
    assert.equal(items.filter(({ type }) => type === "tag").length, MAX_SEGMENT_MARKS);
    assert.deepEqual(items.filter(isSample), demux(Uint8Array.from(file)).items.filter(isSample));
  });
});
