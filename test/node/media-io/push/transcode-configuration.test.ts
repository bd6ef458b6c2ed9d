import assert from "node:assert/strict";
import { parseTranscodeConfiguration } from "@leat/node/media-io/push/transcode-configuration.ts";
import { MAX_RENDITIONS } from "@leat/sdk/protocol/limits.ts";

const parse = (value: unknown) => parseTranscodeConfiguration(JSON.stringify(value));
const invalid = (what: string) => (error: { detail: { code: string; what: string } }) => {
  assert.deepEqual(error.detail, { code: "PUSH_CONFIGURATION_INVALID", what });
  return true;
};

describe("a Livepeer transcode configuration", () => {
  it("names profiles, with the size and the codec that each wants", () => {
    const profiles = [
      { name: "P240p30fps16x9", width: 426, height: 240, bitrate: 600_000, fps: 30, gop: "1.0", profile: "H264High" },
      { width: 640, height: 360, encoder: "H.264" },
      { name: "vp", encoder: "VP9" },
    ];
    assert.deepEqual(parse({ manifestID: "movie", profiles, objectStore: "s3://x" }), [
      { name: "P240p30fps16x9", codec: "h264", width: 426, height: 240 },
      { name: "640x360", codec: "h264", width: 640, height: 360 },
      { name: "vp", codec: "vp9", width: 0, height: 0 },
    ]);
  });

  it("may leave them to the stream", () => {
    assert.equal(parse({}), undefined);
    assert.equal(parse({ profiles: null, presets: ["P144p30fps16x9"] }), undefined);
    assert.deepEqual(parse({ profiles: [] }), []);
  });

  it("that is none is refused by what is wrong with it", () => {
    assert.throws(() => parseTranscodeConfiguration("{"), invalid("json"));
    assert.throws(() => parseTranscodeConfiguration(`{"x":"${"x".repeat(8_192)}"}`), invalid("length"));
    assert.throws(() => parse([]), invalid("json"));
    assert.throws(() => parse({ profiles: "all" }), invalid("profiles"));
    const many = Array.from({ length: MAX_RENDITIONS + 1 }, (_, at) => ({ name: `n${at}` }));
    assert.throws(() => parse({ profiles: many }), invalid("profiles"));
    assert.throws(() => parse({ profiles: [1] }), invalid("profile"));
    assert.throws(() => parse({ profiles: [{ width: -1 }] }), invalid("size"));
    assert.throws(() => parse({ profiles: [{ height: 16_385 }] }), invalid("size"));
    assert.throws(() => parse({ profiles: [{ encoder: "VP8" }] }), invalid("encoder"));
    assert.throws(() => parse({ profiles: [{ encoder: "__proto__" }] }), invalid("encoder"));
    assert.throws(() => parse({ profiles: [{ encoder: 1 }] }), invalid("encoder"));
    for (const name of ['a"; filename="b', "a\r\nX: y", " a", "ä", "x".repeat(65), 5]) {
      assert.throws(() => parse({ profiles: [{ name }] }), invalid("name"));
    }
    assert.throws(() => parse({ profiles: [{ name: "a" }, { name: "a" }] }), invalid("names"));
  });
});
