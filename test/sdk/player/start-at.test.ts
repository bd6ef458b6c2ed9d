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

  it("stays as it is where the moment is past, to come or unknown", () => {
    for (const atMs of [firstMs - 1, firstMs + 4_500]) assert.equal(startAt(playlist, atMs), playlist);
    assert.equal(startAt("#EXTM3U\n#EXTINF:2,\n0.m4s", firstMs), "#EXTM3U\n#EXTINF:2,\n0.m4s");
  });
});
