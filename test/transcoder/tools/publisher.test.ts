import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { createRtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { PublishedVideo } from "@leat/sdk/protocol/published.ts";
import type { PublishError } from "@leat/transcoder/tools/publish-error.ts";
import type { Publisher, PublishOptions } from "@leat/transcoder/tools/publisher.ts";
import { publish } from "@leat/transcoder/tools/publisher.ts";

const PATTERN = { width: 64, height: 64, fps: 30, durationS: 2, keyframeEveryS: 1 } as const;
const CLI = fileURLToPath(new URL("../../../transcoder/tools/publish-cli.ts", import.meta.url));

class Recorder implements PublishSink {
  readonly videos: PublishedVideo[] = [];
  readonly audioTimes: number[] = [];
  readonly videoConfigs: string[] = [];
  readonly ended = Promise.withResolvers<boolean>();
  readonly #onVideo: () => void;

  constructor(onVideo: () => void) {
    this.#onVideo = onVideo;
  }

  config(kind: "video" | "audio", config: { codecString: string; width?: number }): void {
    if (kind === "video") this.videoConfigs.push(`${config.codecString} ${config.width}`);
  }

  video(sample: PublishedVideo): void {
    this.videos.push(sample);
    this.#onVideo();
  }

  audio(sample: { dtsMs: number }): void {
    this.audioTimes.push(sample.dtsMs);
  }

  end({ clean }: { clean: boolean }): void {
    this.ended.resolve(clean);
  }
}

describe("transcoder/tools/publisher", () => {
  let server: RtmpServer;
  let recorders: Recorder[] = [];
  let onVideo = (_recorder: Recorder) => {};
  let publisher: Publisher | undefined;

  before(async () => {
    server = createRtmpServer({
      host: "127.0.0.1",
      port: 0,
      logger: silentLogger,
      authorize: async (key) => {
        if (key !== "good") throw new CodedError({ code: "STREAM_KEY_UNKNOWN" });
        const recorder: Recorder = new Recorder(() => onVideo(recorder));
        recorders.push(recorder);
        return recorder;
      },
    });
    await server.start();
  });

  beforeEach(() => {
    recorders = [];
    onVideo = () => {};
  });

  afterEach(() => publisher?.kill());

  after(() => server.stop());

  const url = (key = "good") => `rtmp://127.0.0.1:${server.port}/live/${key}`;

  function start(options: Partial<PublishOptions>): Publisher {
    publisher = publish({ url: url(), inputs: [{ pattern: PATTERN }], realtime: false, ...options });
    return publisher;
  }

  it("sends every frame and says goodbye", async () => {
    const report = await start({}).done;
    const [recorder] = recorders;
    assert.equal(await recorder!.ended.promise, true);
    assert.equal(recorder!.videos.length, 60);
    assert.equal(report.videoFrames, 60);
    assert.equal(report.audioFrames, recorder!.audioTimes.length);
    assert.ok(recorder!.videos[0]!.key);
    assert.ok(recorder!.videos.some((video) => video.ctsMs > 0));
    assert.equal(recorder!.videoConfigs.length, 1);
  });

  it("goes on in time from one input to the next, and announces what changed", async () => {
    await start({ inputs: [{ pattern: PATTERN }, { pattern: PATTERN }, { pattern: { ...PATTERN, width: 128 } }] }).done;
    const [recorder] = recorders;
    assert.equal(recorder!.videos.length, 180);
    assert.deepEqual(
      recorder!.videoConfigs.map((text) => text.split(" ")[1]),
      ["64", "128"],
    );
    const steps = recorder!.videos.slice(1).map((video, index) => video.dtsMs - recorder!.videos[index]!.dtsMs);
    assert.ok(steps.every((step) => step > 0 && step < 120));
  });

  it("says why its file cannot be published, and ends", async () => {
    await assert.rejects(start({ inputs: ["/nowhere.mp4"] }).done, ({ detail }: PublishError) => {
      assert.ok(detail.code === "PUBLISH_INPUT_FAILED", detail.code);
      assert.equal(detail.cause.code, "TRANSCODE_INPUT_UNREADABLE");
      return true;
    });
  });

  it("tells the server's refusal by its own word", async () => {
    await assert.rejects(start({ url: url("wrong") }).done, (error) => {
      assert.ok(isCodedError(error) && error.code === "PUBLISH_REFUSED");
      assert.deepEqual(error.detail, {
        code: "PUBLISH_REFUSED",
        status: "NetStream.Publish.Denied",
        description: "STREAM_KEY_UNKNOWN",
      });
      return true;
    });
  });

  it("tries the next address where one refuses", async () => {
    const report = await start({ url: undefined, urls: [url("wrong"), url()] }).done;
    assert.deepEqual(
      report.refusals.map(({ code }) => code),
      ["PUBLISH_REFUSED"],
    );
    assert.equal(report.connections[0]?.urlIndex, 1);
    assert.equal(recorders[0]!.videos.length, 60);
  });

  it("comes back with a key frame after its connection was lost", async () => {
    onVideo = (recorder) => {
      if (recorders.length === 1 && recorder.videos.length === 20) publisher?.disconnect();
    };
    const report = await start({ reconnect: true, realtime: true }).done;
    const [lost, resumed] = recorders;
    assert.equal(await lost!.ended.promise, false);
    assert.equal(await resumed!.ended.promise, true);
    assert.ok(resumed!.videos[0]!.key);
    assert.equal(report.connections.length, 2);
    assert.equal(report.connections[1]!.videoFrames, resumed!.videos.length);
  });

  it("drops the connection without a word when it is aborted", async () => {
    onVideo = (recorder) => {
      if (recorder.videos.length === 10) void publisher?.abort();
    };
    const report = await start({ realtime: true }).done;
    assert.equal(await recorders[0]!.ended.promise, false);
    assert.ok(report.videoFrames >= 10 && report.videoFrames < 60);
  });

  it("runs as a command", async () => {
    const args = ["--url", url(), "--pattern", "64x64@30:1", "--fast", "--json"];
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args]);
    const report: unknown = JSON.parse(stdout.trim().split("\n").at(-1)!);
    assert.equal((report as { videoFrames: number }).videoFrames, 30);
    const failing = promisify(execFile)(process.execPath, [CLI, ...args.with(1, url("wrong"))]);
    await assert.rejects(failing, (error: { code: number; stdout: string }) => {
      assert.equal(error.code, 1);
      assert.equal(JSON.parse(error.stdout).error.code, "PUBLISH_REFUSED");
      return true;
    });
  });
});
