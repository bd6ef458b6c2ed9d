import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { LadderRung } from "@leat/transcoder/ladder.ts";
import { audioGroups, liveSound, parseLadder, resolveLadder } from "@leat/transcoder/ladder.ts";
import fc from "fast-check";

const rung: LadderRung = { name: "a", codec: "h264", height: 360, videoBitrate: 800_000, audioBitrate: 96_000 };

const rungs = fc.record({
  codec: fc.constantFrom("h264" as const, "vp9" as const),
  height: fc.integer({ min: 16, max: 2160 }),
  videoBitrate: fc.integer({ min: 1_000, max: 10_000_000 }),
  audioBitrate: fc.integer({ min: 6_000, max: 512_000 }),
});
const ladders = fc
  .array(rungs, { minLength: 1, maxLength: 8 })
  .map((list) => list.map((one, index) => ({ ...one, name: `r${index}` })));
const sources = fc.record({ width: fc.integer({ min: 2, max: 8192 }), height: fc.integer({ min: 2, max: 8192 }) });

describe("transcoder/ladder", () => {
  it("takes what a person wrote and gives it back", () => {
    const ladder = [rung, { ...rung, name: "b", fps: 29.97 }];
    assert.deepEqual(parseLadder(JSON.parse(JSON.stringify(ladder))), ladder);
  });

  const wrong: readonly [string, unknown, string][] = [
    ["no array", {}, "LADDER_INVALID"],
    ["an empty array", [], "LADDER_EMPTY"],
    ["a rung that is no object", [7], "LADDER_INVALID"],
    ["an unknown key", [{ ...rung, bitrate: 1 }], "LADDER_INVALID"],
    ["a name with a slash", [{ ...rung, name: "../a" }], "LADDER_INVALID"],
    ["an unknown codec", [{ ...rung, codec: "mpeg2" }], "LADDER_CODEC_UNKNOWN"],
    ["a name twice", [rung, rung], "LADDER_NAME_DUPLICATE"],
    ["a height of text", [{ ...rung, height: "360" }], "LADDER_INVALID"],
    ["a height below every encoder", [{ ...rung, height: 2 }], "LADDER_INVALID"],
    ["a broken bit rate", [{ ...rung, videoBitrate: 1.5 }], "LADDER_INVALID"],
    ["no audio bit rate", [{ ...rung, audioBitrate: undefined }], "LADDER_INVALID"],
    ["a frame rate of 0", [{ ...rung, fps: 0 }], "LADDER_INVALID"],
  ];
  for (const [what, value, code] of wrong) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseLadder(value),
        (error) => isCodedError(error) && error.code === code,
      );
    });
  }

  it("puts the short side of a portrait at the rung's height", () => {
    const { rungs } = resolveLadder([rung], { width: 720, height: 1280 });
    assert.deepEqual([rungs[0]?.width, rungs[0]?.height], [360, 640]);
  });

  it("clamps an odd source to even sides and drops the duplicate with its reason", () => {
    const ladder = [{ ...rung, name: "big", height: 1080 }, { ...rung, name: "same", height: 720 }, rung];
    const resolved = resolveLadder(ladder, { width: 374, height: 667 });
    assert.deepEqual(
      resolved.rungs.map(({ name, width, height }) => [name, width, height]),
      [
        ["big", 374, 666],
        ["a", 360, 642],
      ],
    );
    assert.deepEqual(resolved.dropped, [{ name: "same", reason: "same as big: h264 374x666" }]);
  });

  it("drops what no encoder of its codec makes so small, at the smallest that one makes", () => {
    const named = (codec: LadderRung["codec"], height: number) => ({
      ...rung,
      name: `${codec}-${height}`,
      codec,
      height,
    });
    const ladder = [named("av1", 64), named("av1", 62), named("h264", 62), named("vp9", 16), named("hevc", 16)];
    const { rungs, dropped } = resolveLadder(ladder, { width: 640, height: 360 });
    assert.deepEqual(
      rungs.map(({ name }) => name),
      ["av1-64", "h264-62", "vp9-16", "hevc-16"],
    );
    assert.deepEqual(dropped, [{ name: "av1-62", reason: "av1 110x62 is below 64x64" }]);
    // The short side of the source is what a large rung gets.
    assert.deepEqual(
      resolveLadder([named("av1", 480), named("h264", 480)], { width: 40, height: 480 }).dropped.map(
        ({ name }) => name,
      ),
      ["av1-480"],
    );
    assert.deepEqual(
      resolveLadder([named("hevc", 480), named("h264", 480)], { width: 480, height: 15 }).dropped.map(
        ({ name }) => name,
      ),
      ["hevc-480"],
    );
  });

  it("says so where no rung is left, and takes a ladder that has none", () => {
    const small = { ...rung, codec: "av1", height: 16 } as const;
    assert.throws(
      () => resolveLadder([small, { ...small, name: "b", height: 32 }], { width: 640, height: 360 }),
      (error) => isCodedError(error) && error.code === "LADDER_RUNGS_TOO_SMALL",
    );
    assert.deepEqual(resolveLadder([], { width: 640, height: 360 }), { rungs: [], dropped: [] });
  });

  it("keeps a lower frame rate and forgets one that the source does not reach", () => {
    const ladder = [
      { ...rung, fps: 15 },
      { ...rung, name: "b", height: 240, fps: 60 },
    ];
    const resolved = resolveLadder(ladder, { width: 640, height: 360, fps: 30 });
    assert.deepEqual(
      resolved.rungs.map((one) => one.fps),
      [15, undefined],
    );
  });

  it("gives even sizes within the source, in the source's shape, for any ladder and source", () => {
    fc.assert(
      fc.property(ladders, sources, (ladder, source) => {
        const { rungs, dropped } = resolveLadder(ladder, source);
        assert.equal(rungs.length + dropped.length, ladder.length);
        assert.ok(rungs.length > 0);
        for (const one of rungs) {
          assert.equal(one.width % 2, 0);
          assert.equal(one.height % 2, 0);
          assert.ok(one.width <= source.width && one.height <= source.height);
          const wanted = ladder.find(({ name }) => name === one.name)!;
          assert.ok(Math.min(one.width, one.height) <= Math.max(2, wanted.height));
          const scale = Math.min(one.width, one.height) / Math.min(source.width, source.height);
          const long = Math.max(one.width, one.height);
          assert.ok(Math.abs(long - Math.max(source.width, source.height) * scale) <= 2);
        }
        const seen = new Set(rungs.map((one) => `${one.codec} ${one.width}x${one.height}`));
        assert.equal(seen.size, rungs.length);
      }),
    );
  });

  it("gives each family its largest audio bit rate", () => {
    const ladder = [rung, { ...rung, audioBitrate: 128_000 }, { ...rung, codec: "vp9" as const, audioBitrate: 64_000 }];
    assert.deepEqual(audioGroups(ladder), [
      { codec: "aac", bitrate: 128_000 },
      { codec: "opus", bitrate: 64_000 },
    ]);
  });

  it("gives live sound in both codecs, a codec that no family wants as well as the best there is", () => {
    const h264 = [rung, { ...rung, audioBitrate: 128_000 }];
    assert.deepEqual(liveSound(h264), [
      { codec: "aac", bitrate: 128_000 },
      { codec: "opus", bitrate: 128_000 },
    ]);
    assert.deepEqual(liveSound([{ ...rung, codec: "av1", audioBitrate: 48_000 }, ...h264]), [
      { codec: "aac", bitrate: 128_000 },
      { codec: "opus", bitrate: 48_000 },
    ]);
  });
});
