import assert from "node:assert/strict";
import { CapacityBook, capacityOptions } from "@leat/node/services/jobs/capacity-book.ts";
import { encodingLoad } from "@leat/sdk/protocol/encoding-load.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { ladderPixels, measuredSpeeds } from "../../../support/measured-speeds.ts";

const transcodes = new Set(["transcode"]);

describe("capacity book", () => {
  let book: CapacityBook;

  beforeEach(() => {
    book = new CapacityBook(defaultsOf(capacityOptions));
  });

  const reserve = (job: number, codec: "h264" | "vp9" | "av1") => {
    const load = encodingLoad(measuredSpeeds, codec, ladderPixels);
    return book.reserve(`0x${job}`, "transcode", { units: ladderPixels, load }, 0);
  };
  /** How many ladders of a codec it sells. */
  const sold = (codec: "h264" | "vp9" | "av1") => {
    let count = 0;
    while (reserve(count, codec) !== undefined) count += 1;
    return count;
  };

  it("sells as many ladders of a codec as its encoder can do in the same time", () => {
    // Of 60,000,000 pixels of H.264 a second.
    for (const [codec, ladders] of [
      ["h264", 6],
      ["vp9", 4],
      ["av1", 2],
    ] as const) {
      book = new CapacityBook(defaultsOf(capacityOptions));
      assert.equal(sold(codec), ladders, codec);
    }
  });

  it("has the whole load back when a job ends, and is paid for the work alone", () => {
    const { total } = book.capacity(0, transcodes).transcodePixelsPerSecond;
    const load = encodingLoad(measuredSpeeds, "vp9", ladderPixels);
    reserve(1, "vp9");
    assert.equal(book.capacity(0, transcodes).transcodePixelsPerSecond.free, total - load);
    assert.equal(book.unitsPerSecond("0x1", "transcode"), ladderPixels);
    book.confirm("0x1", "transcode");
    assert.equal(book.unitsPerSecond("0x1", "transcode"), ladderPixels);
    assert.equal(book.capacity(1_000_000, transcodes).transcodePixelsPerSecond.free, total - load);
    book.release("0x1");
    assert.equal(book.capacity(0, transcodes).transcodePixelsPerSecond.free, total);
  });

  it("counts a job that is asked for anew by what it is now, in the place of what it was", () => {
    assert.equal(sold("av1"), 2);
    assert.notEqual(reserve(1, "av1"), undefined);
    book.release("0x0");
    reserve(1, "av1");
    reserve(1, "h264");
    const { total, free } = book.capacity(0, transcodes).transcodePixelsPerSecond;
    assert.equal(total - free, ladderPixels);
  });

  it("sells what was measured where that is more than is usual, and nothing else than was set", () => {
    const total = () => book.capacity(0, transcodes).transcodePixelsPerSecond.total;
    for (const [measured, sold] of [
      [0, 60_000_000],
      [59_000_000, 60_000_000],
      [600_000_000, 600_000_000],
    ] as const) {
      book.noteTranscode(measured);
      assert.equal(total(), sold);
    }
    for (const set of [0, 12_000_000]) {
      book = new CapacityBook(defaultsOf(capacityOptions, { transcodePixelsPerSecond: set }));
      book.noteTranscode(600_000_000);
      assert.equal(total(), set);
    }
  });
});
