import assert from "node:assert/strict";
import { enterPlaylist } from "../../../sdk/player/enter-playlist.ts";

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
const part = (of: string) => `#EXT-X-PART:DURATION=0.25,URI="${of}.m4s"`;
const parted = [
  ...playlist.split("\n").slice(0, 6),
  ...[part("8.0"), part("8.1")],
  ...playlist.split("\n").slice(6),
  part("9.0"),
].join("\n");
const partsOf = (entered: string) => entered.split("\n").filter((line) => line.includes("PART:"));

describe("a playlist as a player enters it", () => {
  it("says how far into it the moment is", () => {
    const lines = enterPlaylist(playlist, firstMs + 3_250).split("\n");
    assert.equal(lines[1], "#EXT-X-START:TIME-OFFSET=3.250,PRECISE=YES");
    assert.deepEqual([lines[0], ...lines.slice(2)], playlist.split("\n"));
  });

  it("goes by the date of the segment, which may shake, and never out of it", () => {
    const shaken = playlist.replace("00:02.000Z", "00:02.100Z");
    for (const [afterMs, offset] of [
      [2_050, "2.000"],
      [2_350, "2.250"],
    ] as const) {
      assert.match(enterPlaylist(shaken, firstMs + afterMs), new RegExp(`TIME-OFFSET=${offset},`));
    }
  });

  it("asks for whole segments as wholes, and for parts of what is still written", () => {
    assert.deepEqual(partsOf(enterPlaylist(parted, firstMs + 3_250)), [part("9.0")]);
  });

  it("asks for whole segments of a stream that is over, with a moment or none", () => {
    const over = [parted.replace(`\n${part("9.0")}`, ""), "#EXT-X-ENDLIST"].join("\n");
    for (const atMs of [undefined, firstMs - 1]) {
      assert.deepEqual(enterPlaylist(over, atMs).split("\n"), [...playlist.split("\n"), "#EXT-X-ENDLIST"]);
    }
    assert.deepEqual(partsOf(enterPlaylist(over, firstMs + 3_250)), []);
  });

  it("stays as it is where the moment is past, to come or unknown", () => {
    for (const atMs of [firstMs - 1, firstMs + 4_500, undefined]) assert.equal(enterPlaylist(playlist, atMs), playlist);
    assert.equal(enterPlaylist("#EXTM3U\n#EXTINF:2,\n0.m4s", firstMs), "#EXTM3U\n#EXTINF:2,\n0.m4s");
  });
});
