import assert from "node:assert/strict";
import { startAt } from "../../../sdk/player/start-at.ts";

const firstMs = Date.parse("2030-01-01T00:00:00.000Z");
const playlist = [
  "#EXTM3U",
  "#EXT-X-MEDIA-SEQUENCE:7",
  "#EXT-X-PROGRAM-DATE-TIME:2030-01-01T00:00:00.000Z",
  "#EXTINF:2.00000,",
  "7.m4s",
  "#EXT-X-PROGRAM-DATE-TIME:2030-01-01T00:00:02.000Z",
  "#EXTINF:2.50000,",
  "8.m4s",
].join("\n");

describe("a playlist to be entered at a moment", () => {
  it("says how far into it the moment is", () => {
    const lines = startAt(playlist, firstMs + 3_250).split("\n");
    assert.equal(lines[1], "#EXT-X-START:TIME-OFFSET=3.250,PRECISE=YES");
    assert.deepEqual([lines[0], ...lines.slice(2)], playlist.split("\n"));
  });

  it("goes by the date of the segment, which may shake, and never out of it", () => {
    const shaken = playlist.replace("00:02.000Z", "00:02.100Z");
    for (const [afterMs, offset] of [
      [2_050, "2.000"],
      [2_350, "2.250"],
    ] as const) {
      assert.match(startAt(shaken, firstMs + afterMs), new RegExp(`TIME-OFFSET=${offset},`));
    }
  });

  it("asks for whole segments as wholes, and for parts of what is still written", () => {
    const part = (of: string) => `#EXT-X-PART:DURATION=0.25,URI="${of}.m4s"`;
    const lines = [...playlist.split("\n").slice(0, 6), part("8.0"), part("8.1"), ...playlist.split("\n").slice(6)];
    const entered = startAt([...lines, part("9.0")].join("\n"), firstMs + 3_250);
    assert.deepEqual(
      entered.split("\n").filter((line) => line.includes("PART")),
      [part("9.0")],
    );
  });

  it("stays as it is where the moment is past, to come or unknown", () => {
    for (const atMs of [firstMs - 1, firstMs + 4_500]) assert.equal(startAt(playlist, atMs), playlist);
    assert.equal(startAt("#EXTM3U\n#EXTINF:2,\n0.m4s", firstMs), "#EXTM3U\n#EXTINF:2,\n0.m4s");
  });
});
