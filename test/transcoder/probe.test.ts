import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { kindOf, knownEncoders } from "@leat/transcoder/encoders.ts";
import { judgeProbe } from "@leat/transcoder/engines/probe-verdict.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";
import { probeEach, probeEncoders } from "@leat/transcoder/probe.ts";
import { GatewayServer } from "../support/gateway-server.ts";

describe("transcoder/probe", () => {
  it("believes encoders that encoded, and tells why it does not believe the others", async function () {
    this.timeout(60_000);
    const reports = await probeEncoders();
    assert.deepEqual(
      reports.map(({ encoder }) => encoder),
      knownEncoders.map(({ encoder }) => encoder),
    );
    const software = reports.filter(({ encoder }) => kindOf(encoder) === "software");
    assert.deepEqual(
      software.map(({ codec, works }) => [codec, works]),
      [
        ["h264", true],
        ["hevc", true],
        ["vp9", true],
        ["av1", true],
      ],
    );
    assert.ok(reports.every((report) => report.works === report.pixelsPerSecond > 0));
    assert.ok(reports.every((report) => report.works === (report.reason === undefined)));
  });

  it("measures the ffmpeg program too, and says how it is installed where it is missing", async function () {
    this.timeout(60_000);
    const { PATH } = process.env;
    const reports = await probeEncoders({ engine: "ffmpeg", codecs: ["h264", "av1"] });
    assert.deepEqual(
      reports.map(({ encoder, works, pixelsPerSecond }) => [encoder, works, pixelsPerSecond > 0]),
      [
        ["libx264", true, true],
        ["libsvtav1", true, true],
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

  it("measures a gateway by segments that it sends, and says why it does not believe one", async function () {
    this.timeout(60_000);
    const gateway = await GatewayServer.start();
    const settings = { url: gateway.url, timeoutMs: 10_000 };
    try {
      const [report, ...others] = await probeEncoders({ engine: "livepeer", gateway: settings });
      assert.equal(others.length, 0);
      const { pixelsPerSecond, ...facts } = report!;
      assert.deepEqual(facts, { codec: "h264", encoder: "livepeer", works: true });
      assert.ok(pixelsPerSecond > 0);
      assert.deepEqual(
        gateway.requests.map(({ path, headers }) => [path.split("/").at(-1), headers["content-duration"]]),
        [
          ["0.ts", "2000"],
          ["1.ts", "2000"],
        ],
      );
    } finally {
      await gateway.stop();
    }
    const away = await probeEncoders({ engine: "livepeer", gateway: { ...settings, timeoutMs: 500 } });
    assert.deepEqual(away, [
      {
        codec: "h264",
        encoder: "livepeer",
        works: false,
        pixelsPerSecond: 0,
        reason: "TRANSCODE_GATEWAY_UNREACHABLE: reason=ECONNREFUSED",
      },
    ]);
  });

  it("does not believe an encoder that takes its worker with it or hangs, and goes on with those behind it", async () => {
    const encoders = knownEncoders.slice(0, 4);
    const losses = [
      new TranscodeError({ code: "TRANSCODE_WORKER_LOST", exitCode: null, signal: "SIGSEGV", lastWords: "" }),
      new TranscodeError({ code: "TRANSCODE_WORKER_STALLED", limitMs: 30_000 }),
    ];
    const asked: string[][] = [];
    const reports = await probeEach(encoders, async (rest, events) => {
      asked.push(rest.map(({ encoder }) => encoder));
      events.began();
      const loss = losses.shift();
      for (const { codec, encoder } of loss === undefined ? rest : rest.slice(0, 1)) {
        events.report({ codec, encoder, works: true, pixelsPerSecond: 1 });
      }
      if (loss !== undefined) throw loss;
    });
    assert.deepEqual(asked, [
      ["libx264", "libx265", "libvpx-vp9", "libsvtav1"],
      ["libvpx-vp9", "libsvtav1"],
    ]);
    assert.deepEqual(
      reports.map(({ encoder, works }) => [encoder, works]),
      [
        ["libx264", true],
        ["libx265", false],
        ["libvpx-vp9", true],
        ["libsvtav1", false],
      ],
    );
    assert.match(reports[1]!.reason!, /SIGSEGV/);
    assert.match(reports[3]!.reason!, /TRANSCODE_WORKER_STALLED/);
  });

  it("judges an encoder by its pictures: all of them, key frames where they were asked for, each decoded", () => {
    const spec = { width: 16, height: 16, frames: 4 };
    const made = (keys: readonly number[], count = 4) =>
      Array.from({ length: count }, (_, index) => ({ key: keys.includes(index), data: Uint8Array.of(1) }));
    const judge = (frames: ReturnType<typeof made>, decoded?: number) =>
      judgeProbe({ codec: "h264", encoder: "h264_qsv" }, spec, frames, { decoded, seconds: 2, timed: 3 });
    assert.deepEqual(judge(made([0, 2]), 4), {
      codec: "h264",
      encoder: "h264_qsv",
      works: true,
      pixelsPerSecond: 384,
    });
    assert.equal(judge(made([0, 2], 3), 3).reason, "3 of 4 frames came out");
    assert.equal(judge(made([0]), 4).reason, "key frames came at 0, wanted at 0, 2");
    assert.equal(judge(made([0, 1, 2]), 4).reason, "key frames came at 0, 1, 2, wanted at 0, 2");
    assert.equal(judge(made([0, 2]), 3).reason, "3 of 4 frames can be decoded");
  });

  it("gives up after its time", async () => {
    await assert.rejects(
      probeEncoders({ timeoutMs: 1 }),
      (error) => isCodedError(error) && error.code === "TRANSCODE_WORKER_STALLED",
    );
  });
});
