import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Part, SegmentPackager } from "@leat/node/media/packager.ts";
import { partLeaf } from "@leat/node/media/running-hash.ts";
import type { ReturnedRung, ReturnedSegment } from "@leat/node/media/verification/types.ts";
import { findFault, verifySegment } from "@leat/node/media/verification/verify-segment.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPartLeaf, merkleRoot } from "@leat/sdk/protocol/merkle.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { encodeFragmented } from "../../../support/media/ffmpeg.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";

const sha256 = (bytes: Uint8Array) => Uint8Array.from(createHash("sha256").update(bytes).digest());
const hash = `0x${"11".repeat(32)}` as Hex;

interface Made {
  config: VideoConfig;
  frames: Frame[];
}

async function encode(size: string, output: string[], pixels = "yuv420p"): Promise<Made> {
  const source = [
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=640x360:rate=30:duration=2",
    "-vf",
    `scale=${size.replace("x", ":")}`,
  ];
  const { config, frames } = readTrack(await encodeFragmented(source, [...output, "-g", "60", "-pix_fmt", pixels]));
  return { config: config as VideoConfig, frames };
}

const x264 = ["-c:v", "libx264", "-preset", "veryfast"];
const vp9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k"];

function pack({ config, frames }: Made, rung: number): ReturnedRung {
  const packager = new SegmentPackager({ config, sequence: 5 });
  const parts: Part[] = [];
  for (const frame of frames) parts.push(...[packager.push(frame)].filter((part) => part !== undefined));
  parts.push(...[packager.finish()].filter((part) => part !== undefined));
  return {
    rung,
    config,
    frames,
    packed: { parts: parts.map((part) => ({ ...part, sha256: sha256(part.bytes) })), totals: packager.totals },
  };
}

/** Nothing of a part that a receipt tells. */
const unseen = { durationTicks: 0, startTicks: 0, independent: false, headSizeBytes: 0 };

/** A segment whose receipt says what its rungs are. */
function sign(source: Made, renditions: RenditionInfo[], rungs: ReturnedRung[]): ReturnedSegment {
  const leaves = rungs.flatMap(({ rung, packed }) =>
    packed.parts.map((part) => partLeaf(rung, { ...unseen, ...part, bytes: Uint8Array.from(part.bytes) }, sha256)),
  );
  const durationTicks = source.frames.reduce((sum, frame) => sum + frame.duration, 0);
  const value = {
    job: hash,
    seq: 5n,
    attempt: 1,
    quoteHash: hash,
    inputHash: hash,
    outputRoot: merkleRoot(leaves.map(hashPartLeaf)),
    firstFrame: 300n,
    frames: source.frames.length,
    durationMs: Math.round(durationTicks / 90),
    sizeBytes: leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0n),
  };
  return {
    receipt: { value },
    leaves,
    renditions,
    rungs,
    source: { frames: source.frames, firstFrame: 300, inputHash: hash, durationTicks },
  };
}

describe("verification", function () {
  this.timeout(60_000);
  let source: Made;
  let large: Made;
  let small: Made;
  const renditions: RenditionInfo[] = [
    { rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", width: 426, height: 240, bitrate: 500_000 },
    { rung: 2, name: "120p", kind: "video", codec: "h264", family: "h264", width: 214, height: 120, bitrate: 200_000 },
  ];

  before(async () => {
    [source, large, small] = (await Promise.all([
      encode("640x360", [...x264, "-bf", "2"]),
      encode("426x240", [...x264, "-bf", "0"]),
      encode("214x120", [...x264, "-bf", "2"]),
    ])) as [Made, Made, Made];
    // B-frames start later in display: all three must show at the source's times.
    for (const made of [source, large, small]) {
      const first = Math.min(...made.frames.map((frame) => frame.pts));
      made.frames = made.frames.map((frame) => ({
        ...frame,
        pts: frame.pts - first + 90_000,
        dts: frame.dts - first + 90_000,
      }));
    }
  });

  function honest(): ReturnedSegment {
    return sign(source, renditions, [pack(large, 1), pack(small, 2)]);
  }

  function withLarge(made: Made): ReturnedSegment {
    return sign(source, renditions, [pack(made, 1), pack(small, 2)]);
  }

  function edit(frames: readonly Frame[], at: number, change: Partial<Frame>): Frame[] {
    return frames.map((frame, index) => (index === at ? { ...frame, ...change } : frame));
  }

  it("passes honest H.264, whatever the order of the leaves", () => {
    assert.deepEqual(verifySegment(honest()), { ok: true });
  });

  it("passes honest VP9 and refuses another profile", async () => {
    const info: RenditionInfo = { ...renditions[0]!, codec: "vp9", family: "vp9" };
    const shift = (made: Made): Made => {
      return {
        ...made,
        frames: made.frames.map((frame) => ({ ...frame, pts: frame.pts + 90_000, dts: frame.dts + 90_000 })),
      };
    };
    const [good, other] = await Promise.all([encode("426x240", vp9), encode("426x240", vp9, "yuv444p")]);
    assert.equal(findFault(sign(source, [info], [pack(shift(good), 1)])), undefined);
    assert.equal(findFault(sign(source, [info], [pack(shift(other), 1)])), "CHECK_FORMAT");
    const lie = { ...other, config: good.config };
    assert.equal(findFault(sign(source, [info], [pack(shift(lie), 1)])), "CHECK_FORMAT");
    assert.equal(findFault(sign(source, [{ ...info, width: 428 }], [pack(shift(good), 1)])), "CHECK_SIZE");
    const bigger = { ...shift(good), config: { ...good.config, width: 428 } };
    assert.equal(findFault(sign(source, [{ ...info, width: 428 }], [pack(bigger, 1)])), "CHECK_SIZE");
  });

  it("finds wrong rungs, codec, size and format", async () => {
    assert.equal(findFault(sign(source, renditions, [pack(large, 1)])), "CHECK_RUNGS");
    assert.equal(findFault(sign(source, renditions, [pack(large, 1), pack(small, 3)])), "CHECK_RUNGS");
    assert.equal(findFault(sign(source, renditions, [pack(large, 1), pack(small, 1)])), "CHECK_RUNGS");
    assert.equal(findFault(withLarge({ ...large, config: { ...large.config, codec: "vp9" } })), "CHECK_CODEC");
    assert.equal(findFault(withLarge({ ...small, frames: small.frames })), "CHECK_SIZE");
    // Claimed size, other bitstream.
    assert.equal(
      findFault(withLarge({ ...small, config: { ...small.config, width: 426, height: 240 } })),
      "CHECK_SIZE",
    );
    const ten = await encode("426x240", [...x264, "-bf", "0"], "yuv420p10le");
    const frames = ten.frames.map((frame, index) => ({
      ...frame,
      pts: large.frames[index]!.pts,
      dts: large.frames[index]!.dts,
    }));
    assert.equal(findFault(withLarge({ ...ten, frames })), "CHECK_FORMAT");
  });

  it("finds missing, doubled and displaced pictures", () => {
    assert.equal(findFault(withLarge({ ...large, frames: large.frames.slice(0, -1) })), "CHECK_FRAMES");
    const last = large.frames.at(-1)!;
    assert.equal(
      findFault(withLarge({ ...large, frames: edit(large.frames, 59, { pts: last.pts + 90 }) })),
      "CHECK_TIMESTAMPS",
    );
    assert.equal(
      findFault(withLarge({ ...large, frames: large.frames.map((frame) => ({ ...frame, epoch: 1 })) })),
      "CHECK_TIMESTAMPS",
    );
    const two = Uint8Array.from([...large.frames[10]!.data, ...large.frames[11]!.data]);
    assert.equal(findFault(withLarge({ ...large, frames: edit(large.frames, 10, { data: two }) })), "CHECK_FRAMES");
    assert.equal(
      findFault(withLarge({ ...large, frames: edit(large.frames, 10, { data: new Uint8Array(0) }) })),
      "CHECK_FRAMES",
    );
    assert.equal(
      findFault(withLarge({ ...large, frames: edit(large.frames, 10, { data: Uint8Array.of(1, 2, 3) }) })),
      "CHECK_BITSTREAM",
    );
  });

  it("finds a segment that does not start with a key frame, and flags that lie", () => {
    assert.equal(findFault(withLarge({ ...large, frames: edit(large.frames, 0, { key: false }) })), "CHECK_KEYFRAME");
    assert.equal(
      findFault(withLarge({ ...large, frames: edit(large.frames, 0, { data: large.frames[1]!.data }) })),
      "CHECK_KEYFRAME",
    );
    assert.equal(findFault(withLarge({ ...large, frames: edit(large.frames, 7, { key: true }) })), "CHECK_KEYFRAME");
  });

  it("takes what was made of a source that was cut off between a picture and those that show before it", () => {
    // At 15 a second, with three pictures between: the last one refers to none of them, and they never came.
    const at = (ticks: number, shown: number, frame: Frame): Frame => ({
      ...{ ...frame, dts: 90_000 + ticks, pts: 90_000 + shown, duration: 6_000 },
    });
    const shown = Array.from({ length: 30 }, (_, index) => (index === 29 ? 32 : index) * 6_000);
    const cut = { ...source, frames: shown.map((pts, index) => at(index * 6_000, pts, source.frames[index]!)) };
    const made = { ...large, frames: shown.map((pts, index) => at(pts, pts, large.frames[index]!)) };
    const signed = sign(cut, renditions.slice(0, 1), [pack(made, 1)]);
    assert.equal(findFault(signed), undefined);
  });

  it("finds wrong duration and bitrate", () => {
    const last = large.frames.length - 1;
    assert.equal(
      findFault(withLarge({ ...large, frames: edit(large.frames, last, { duration: 90_000 }) })),
      "CHECK_DURATION",
    );
    const tight = { lowest: 0.5, highest: 4 };
    const thin = renditions.map((info) => ({ ...info, bitrate: info.bitrate * 100 }));
    assert.equal(verifySegment(sign(source, thin, [pack(large, 1), pack(small, 2)]), tight).ok, false);
    const fat = renditions.map((info) => ({ ...info, bitrate: 1000 }));
    assert.equal(findFault(sign(source, fat, [pack(large, 1), pack(small, 2)])), "CHECK_BITRATE");
  });

  it("finds leaves and receipts that say something else", () => {
    const good = honest();
    const change = (facts: Partial<ReturnedSegment>) => findFault({ ...good, ...facts });
    const leaf = good.leaves[3]!;
    const swap = (item: typeof leaf) => good.leaves.map((other, index) => (index === 3 ? item : other));
    assert.equal(change({ leaves: swap({ ...leaf, pixels: leaf.pixels + 1n }) }), "CHECK_UNITS");
    assert.equal(change({ leaves: swap({ ...leaf, frames: leaf.frames + 1 }) }), "CHECK_UNITS");
    assert.equal(change({ leaves: swap({ ...leaf, sizeBytes: 0n }) }), "CHECK_UNITS");
    assert.equal(change({ leaves: good.leaves.slice(1) }), "CHECK_UNITS");
    assert.equal(change({ leaves: swap({ ...leaf, sha256: hash }) }), "CHECK_HASH");
    const receipt = (facts: object) => change({ receipt: { value: { ...good.receipt.value, ...facts } } });
    assert.equal(receipt({ outputRoot: hash }), "CHECK_ROOT");
    assert.equal(receipt({ inputHash: `0x${"22".repeat(32)}` }), "CHECK_RECEIPT");
    assert.equal(receipt({ firstFrame: 1n }), "CHECK_RECEIPT");
    assert.equal(receipt({ frames: 59 }), "CHECK_RECEIPT");
    assert.equal(receipt({ sizeBytes: 1n }), "CHECK_RECEIPT");
    assert.equal(receipt({ durationMs: 5000 }), "CHECK_RECEIPT");
    assert.equal(receipt({}), undefined);
  });

  it("finds one altered byte of one frame", () => {
    const good = honest();
    const data = Uint8Array.from(large.frames[20]!.data);
    data[data.length - 1]! ^= 1;
    const altered = pack({ ...large, frames: edit(large.frames, 20, { data }) }, 1);
    assert.equal(findFault({ ...good, rungs: [altered, good.rungs[1]!] }), "CHECK_HASH");
  });
});
