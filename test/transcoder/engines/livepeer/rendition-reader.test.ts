import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { readRenditions } from "@leat/transcoder/engines/livepeer/rendition-reader.ts";
import { writeTsSegment } from "@leat/transcoder/mpegts/segment-writer.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { videoConfigs, videoFrames } from "../../../support/live-run.ts";

const rung = { name: "a", codec: "h264", width: 160, height: 120, videoBitrate: 1, audioBitrate: 1 } as const;

describe("transcoder/engines/livepeer/rendition-reader", function () {
  this.timeout(60_000);
  let config: VideoConfig;
  let frames: readonly Frame[];
  let reordered: readonly Frame[];

  before(async () => {
    const pattern = { width: 160, height: 120, fps: 30, durationS: 1, keyframeEveryS: 1, audio: false, bFrames: 0 };
    const items = await readMedia({ pattern });
    config = videoConfigs(items)[0]!;
    frames = videoFrames(items);
    reordered = videoFrames(await readMedia({ pattern: { ...pattern, bFrames: 2 } }));
  });

  /** What is read of a rendition of these frames. */
  function read(made: readonly Frame[], type = "video/mp2t", wanted = frames) {
    const headers = new Map([
      ["rendition-name", "a"],
      ["content-type", `${type}; name="a_0.ts"`],
    ]);
    const body = Buffer.from(writeTsSegment({ video: { config, frames: made } }));
    return readRenditions([{ headers, body }], [rung], wanted);
  }

  async function detailOf(made: readonly Frame[]): Promise<unknown> {
    const error = await read(made).catch((thrown: unknown) => thrown);
    return isCodedError(error) ? error.detail : error;
  }

  it("gives the pictures as they are, whatever clock they come with", async () => {
    const moved = frames.map((frame) => ({
      ...frame,
      dts: frame.dts + 2 ** 33 - 9_000,
      pts: frame.pts + 2 ** 33 - 9_000,
    }));
    for (const made of [frames, moved]) {
      const [rendition] = await read(made, "video/MP2T");
      assert.equal(rendition!.config.codecString, config.codecString);
      assert.deepEqual(
        rendition!.pictures.map(({ key, data }) => [key, Buffer.from(data)]),
        frames.map(({ key, data }) => [key, Buffer.from(data)]),
      );
    }
  });

  it("takes a picture a little beside its time, and none at another's", async () => {
    const shift = (ticks: number) => frames.map((frame, index) => (index === 7 ? move(frame, ticks) : frame));
    assert.equal((await read(shift(1_400)))[0]!.pictures.length, frames.length);
    assert.deepEqual(await detailOf(shift(1_600)), {
      code: "TRANSCODE_GATEWAY_PICTURES_WRONG",
      rendition: "a",
      wanted: "picture 7 at 21000 ticks",
      found: "at 22600 ticks",
    });
  });

  it("takes no pictures that refer to later ones, which come in another order", async () => {
    const detail = (await detailOf(reordered)) as { code: string };
    assert.equal(detail.code, "TRANSCODE_GATEWAY_PICTURES_WRONG");
  });

  it("takes no rendition that begins with no key frame, or lost something on the way", async () => {
    const codeOf = async (made: readonly Frame[]) => ((await detailOf(made)) as { code: string }).code;
    assert.equal(await codeOf(frames.slice(1)), "TRANSCODE_GATEWAY_MEDIA_INVALID");
    const body = Buffer.from(writeTsSegment({ video: { config, frames } }));
    const headers = new Map([
      ["rendition-name", "a"],
      ["content-type", "video/mp2t"],
    ]);
    const holed = Buffer.concat([body.subarray(0, 188 * 40), body.subarray(188 * 41)]);
    await assert.rejects(
      readRenditions([{ headers, body: holed }], [rung], frames),
      (error) => isCodedError(error) && error.code === "TRANSCODE_GATEWAY_MEDIA_INVALID",
    );
  });
});

function move(frame: Frame, ticks: number): Frame {
  return { ...frame, dts: frame.dts + ticks, pts: frame.pts + ticks };
}
