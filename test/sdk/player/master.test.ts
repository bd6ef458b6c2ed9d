import assert from "node:assert/strict";
import { familiesOf, keepFamily } from "../../../sdk/player/master.ts";

const master = [
  "#EXTM3U",
  '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="main",URI="audio-aac/index.m3u8"',
  '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="opus",NAME="main",URI="audio-opus/index.m3u8"',
  '#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="aac"',
  "480p/index.m3u8",
  '#EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS="vp09.00.21.08,opus",AUDIO="opus"',
  "360p/index.m3u8",
  '#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS="vp09.00.11.08,opus",AUDIO="opus"',
  "240p/index.m3u8",
].join("\n");

describe("a player's view of a master playlist", () => {
  it("lists the families in the playlist's order", () => {
    assert.deepEqual(familiesOf(master), ["h264", "vp9"]);
  });

  it("keeps one family's rungs and audio group", () => {
    assert.deepEqual(keepFamily(master, "vp9").split("\n"), [
      "#EXTM3U",
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="opus",NAME="main",URI="audio-opus/index.m3u8"',
      ...master.split("\n").slice(5),
    ]);
  });

  it("leaves the playlist as it is when the family is not there", () => {
    assert.equal(keepFamily(master, "av1"), master);
  });

  it("keeps a family that has no audio", () => {
    const silent = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.42e01e"\na.m3u8';
    assert.equal(keepFamily(silent, "h264"), silent);
  });
});
