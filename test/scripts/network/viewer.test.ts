import assert from "node:assert/strict";
import fc from "fast-check";
import { countSamples, playlistsOf } from "../../../scripts/network/viewer.ts";

function box(type: string, ...parts: Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, body]);
}

function run(samples: number): Uint8Array {
  const body = Buffer.alloc(8 + 4 * samples);
  body.writeUInt32BE(samples, 4);
  return box("trun", body);
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

describe("a viewer", () => {
  it("counts the samples of every fragment of a segment", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 10 }), (counts) => {
        const parts = counts.map((count) =>
          Buffer.concat([
            box("moof", box("mfhd", new Uint8Array(8)), box("traf", run(count))),
            box("mdat", new Uint8Array(9)),
          ]),
        );
        assert.equal(
          countSamples(viewOf(Buffer.concat(parts))),
          counts.reduce((sum, count) => sum + count, 0),
        );
      }),
    );
  });

  it("ends on bytes that are no boxes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.ok(countSamples(viewOf(bytes)) >= 0);
      }),
    );
  });

  it("finds every playlist of a master once", () => {
    const master = [
      "#EXTM3U",
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="audio/index.m3u8"',
      '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"',
      "480p/index.m3u8",
      '#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="a"',
      "480p/index.m3u8",
      "",
    ].join("\n");
    assert.deepEqual(playlistsOf(master), ["audio/index.m3u8", "480p/index.m3u8"]);
  });
});
