import assert from "node:assert/strict";
import { findNamedLadder } from "@leat/sdk/protocol/named-ladders.ts";
import { parseLadder, resolveLadder } from "@leat/transcoder/ladder.ts";

describe("named ladders", () => {
  const sizesOf = (name: string, width: number, height: number) =>
    resolveLadder(findNamedLadder(name)!, { width, height }).rungs.map((rung) => `${rung.name} ${rung.height}`);

  it("have the usual sizes of each codec, and none above the source", () => {
    assert.deepEqual(sizesOf("h264+vp9", 1280, 720), [
      ...["240p 240", "360p 360", "480p 480", "720p 720"],
      ...["240p-vp9 240", "360p-vp9 360", "480p-vp9 480", "720p-vp9 720"],
    ]);
    assert.deepEqual(sizesOf("h264", 640, 400), ["240p 240", "360p 360", "480p 400"]);
    assert.equal(resolveLadder(findNamedLadder("av1")!, { width: 3840, height: 2160 }).rungs.length, 5);
  });

  it("are ladders as a buyer writes them, and a codec that is named twice is there once", () => {
    for (const name of ["h264", "hevc", "vp9", "av1", "h264+hevc+vp9+av1"]) parseLadder(findNamedLadder(name));
    assert.deepEqual(findNamedLadder("vp9+vp9"), findNamedLadder("vp9"));
    for (const name of ["", "h265", "h264+", "+h264", "h264,vp9", "h264+h264+h264+h264+vp9", "ladder.json"]) {
      assert.equal(findNamedLadder(name), undefined);
    }
  });
});
