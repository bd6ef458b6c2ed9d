import assert from "node:assert/strict";
import { Passthrough } from "@leat/node/services/ingest/passthrough.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Boundary, Frame, SourceVideoConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";

const info: RenditionInfo = {
  rung: 0,
  name: "source",
  kind: "video",
  codec: "hevc",
  family: "hevc",
  width: 64,
  height: 48,
  bitrate: 1,
};
const config: VideoConfig = {
  kind: "video",
  codec: "hevc",
  timescale: 90_000,
  width: 64,
  height: 48,
  description: Uint8Array.of(1),
  codecString: "hvc1.1.6.L30.90",
};

describe("passthrough", () => {
  let told: string[];
  let warned: number;
  let passthrough: Passthrough;
  beforeEach(() => {
    told = [];
    warned = 0;
    passthrough = new Passthrough({
      log: {
        open: ({ sequence, discontinuity }) => void told.push(`open ${sequence}${discontinuity ? " apart" : ""}`),
        push: (_, { pts }) => {
          told.push(`${pts}`);
          return undefined;
        },
        end: () => {
          told.push("end");
          return undefined;
        },
      },
      logger: {
        ...silentLogger,
        warn: () => {
          warned += 1;
        },
      },
      onSegment: (sequence) => void told.push(`whole ${sequence}`),
    });
  });

  const begin = (sequence: number, more: Partial<Boundary> = {}, other: SourceVideoConfig = config) => {
    const boundary = { sequence, epoch: 0, pts: sequence * 100, forced: false, discontinuity: false, firstFrame: 0 };
    passthrough.begin({ ...boundary, ...more }, other, 0);
  };
  const add = (sequence: number, pts: number, configVersion = 0) => {
    const data = Uint8Array.of(1);
    const frame: Frame = {
      kind: "video",
      epoch: 0,
      dts: pts,
      pts,
      duration: 10,
      key: true,
      configVersion,
      arrivalMs: 0,
      data,
    };
    passthrough.addVideo(sequence, frame);
  };
  const since = () => told.splice(0).join(", ");

  it("keeps what comes before it is wanted, three segments at most, and nothing once it is not", () => {
    for (const sequence of [0, 1, 2, 3]) {
      begin(sequence);
      add(sequence, sequence * 100);
    }
    assert.equal(since(), "");
    assert.equal(passthrough.isWanted, true);
    passthrough.setRenditions([info]);
    assert.equal(passthrough.isWanted, true);
    assert.equal(since(), "open 1, 100, end, whole 1, open 2, 200, end, whole 2, open 3, 300");
    passthrough.finish();
    assert.equal(passthrough.isWanted, false);
    assert.equal(since(), "end, whole 3");
    begin(4);
    add(4, 400);
    assert.equal(since(), "");
  });

  it("is nothing where the stream does not have it", () => {
    begin(0);
    add(0, 0);
    passthrough.setRenditions([{ ...info, rung: 1 }]);
    assert.equal(passthrough.isWanted, false);
    begin(1);
    add(1, 100);
    passthrough.finish();
    assert.equal(since(), "");
  });

  it("leaves out segments without a key frame and of another codec, and says where it goes on", () => {
    passthrough.setRenditions([info]);
    begin(0);
    add(0, 0);
    begin(1, { forced: true });
    add(1, 100);
    begin(2, {}, { ...config, codec: "h264", codecString: "avc1.42001e" });
    add(2, 200);
    begin(3);
    add(3, 300);
    assert.equal(since(), "open 0, 0, end, whole 0, open 3 apart, 300");
  });

  it("leaves out VP8, before it is known whether the source is wanted and after", () => {
    const vp8 = { ...config, codec: "vp8", codecString: "vp8" } as const;
    begin(0, {}, vp8);
    add(0, 0);
    begin(1);
    add(1, 100);
    passthrough.setRenditions([info]);
    begin(2, {}, vp8);
    add(2, 200);
    begin(3);
    add(3, 300);
    assert.equal(since(), "open 1, 100, end, whole 1, open 3 apart, 300");
  });

  it("gives up a source with pictures that show before the key frame they follow, until it changes", () => {
    passthrough.setRenditions([info]);
    begin(0);
    add(0, 0);
    begin(1);
    add(1, 100);
    add(0, 90);
    add(0, 95);
    add(1, 110);
    begin(2);
    add(2, 200);
    assert.equal(since(), "open 0, 0, end, whole 0, open 1, 100, 110, end, whole 1");
    assert.equal(warned, 1);
    assert.equal(passthrough.leftOut, config.codec);
    assert.deepEqual([passthrough.isWhole(0), passthrough.isWhole(1)], [false, true]);
    begin(3);
    add(3, 300, 1);
    assert.equal(since(), "open 3 apart, 300");
    assert.equal(passthrough.leftOut, undefined);
  });
});
