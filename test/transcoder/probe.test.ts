import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { probeEncoders } from "@leat/transcoder/probe.ts";

describe("transcoder/probe", () => {
  it("believes an encoder that encoded, and tells why it does not believe another", async function () {
    this.timeout(60_000);
    const reports = await probeEncoders({ codecs: ["h264", "vp9", "hevc"] });
    assert.deepEqual(
      reports.map(({ codec, works }) => [codec, works]),
      [
        ["h264", true],
        ["vp9", true],
        ["hevc", false],
      ],
    );
    assert.ok(reports.every((report) => report.works === report.pixelsPerSecond > 0));
    assert.match(reports[2]!.reason ?? "", /TRANSCODE_ENCODER_MISSING/);
  });

  it("measures the ffmpeg program too, and says how it is installed where it is missing", async function () {
    this.timeout(60_000);
    const { PATH } = process.env;
    const reports = await probeEncoders({ engine: "ffmpeg", codecs: ["h264", "hevc"] });
    assert.deepEqual(
      reports.map(({ works, pixelsPerSecond }) => [works, pixelsPerSecond > 0]),
      [
        [true, true],
        [false, false],
      ],
    );
    process.env.PATH = "";
    try {
      await assert.rejects(
        probeEncoders({ engine: "ffmpeg" }),
        (error) =>
          isCodedError(error) &&
          error.code === "TRANSCODE_PROGRAM_MISSING" &&
          error.message.includes("apt-get install ffmpeg"),
      );
    } finally {
      process.env.PATH = PATH;
    }
  });

  it("gives up after its time", async () => {
    await assert.rejects(
      probeEncoders({ timeoutMs: 1 }),
      (error) => isCodedError(error) && error.code === "TRANSCODE_WORKER_STALLED",
    );
  });
});
