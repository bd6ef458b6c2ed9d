import assert from "node:assert/strict";
import { type AudienceFigures, GONE_AFTER_MS } from "@leat/node/media-io/hls/audience.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { AudioConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { type FastifyInstance, fastify } from "fastify";
import { TestStream } from "../../../support/hls-stream.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const description = Uint8Array.of(1);
const video: VideoConfig = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 320,
  height: 240,
  description,
  codecString: "avc1.64001f",
};
const audio: AudioConfig = {
  kind: "audio",
  codec: "aac",
  timescale: 48_000,
  sampleRate: 48_000,
  channels: 2,
  description,
  codecString: "mp4a.40.2",
};

describe("audience", () => {
  let app: FastifyInstance;
  let clock: ManualClock;
  let stream: TestStream;

  beforeEach(async () => {
    clock = new ManualClock();
    stream = new TestStream();
    stream.window.describe([
      { rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", bitrate: 1 },
      { rung: 100, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 1 },
    ]);
    stream.window.setConfig(1, 0, video);
    stream.window.setConfig(100, 0, audio);
    const facts = { index: 0, frames: 60, pixels: 1, startTicks: 0, independent: true, headSizeBytes: 50 };
    stream.addSegment(1, 0, [{ ...facts, bytes: new Uint8Array(1_000), durationTicks: 180_000 }], 180_000);
    stream.addSegment(100, 0, [{ ...facts, bytes: new Uint8Array(100), durationTicks: 96_000 }], 96_000);
    app = fastify();
    await addLive(app, { findStream: () => stream }, { clock });
  });
  afterEach(() => app.close());

  const ask = (file: string, remoteAddress = "10.0.0.1", agent = "player", range?: string) => {
    const headers = { "user-agent": agent, ...(range === undefined ? {} : { range }) };
    return app.inject({ url: `/live/slug/${file}`, remoteAddress, headers });
  };
  const figures = async (): Promise<AudienceFigures> => (await ask("audience")).json();

  it("counts who watches now and at most, by address and program, and forgets who left", async () => {
    assert.deepEqual(await figures(), { viewers: 0, peakViewers: 0, watchedSeconds: 0, servedBytes: 0 });
    await ask("master.m3u8");
    await ask("240p/index.m3u8");
    await ask("240p/index.m3u8", "10.0.0.2");
    await ask("240p/index.m3u8", "10.0.0.2", "other");
    assert.deepEqual(await figures(), { viewers: 3, peakViewers: 3, watchedSeconds: 0, servedBytes: 0 });
    await clock.advance(GONE_AFTER_MS - 1);
    await ask("240p/index.m3u8", "10.0.0.2");
    await clock.advance(1);
    const { viewers, peakViewers } = await figures();
    assert.deepEqual([viewers, peakViewers], [1, 3]);
  });

  it("counts bytes, and the time that they play, of pictures once", async () => {
    await ask("240p/0.m4s");
    await ask("audio-aac/0.m4s");
    await ask("240p/0.m4s", "10.0.0.2", "player", "bytes=0-249");
    const { watchedSeconds, servedBytes } = await figures();
    assert.deepEqual([watchedSeconds, servedBytes], [2.5, 1_350]);
  });

  it("counts nobody who asks for the figures or the time alone", async () => {
    await ask("time");
    await figures();
    assert.equal((await figures()).peakViewers, 0);
    assert.doesNotMatch((await ask("audience")).body, /10\.0\.0/);
  });
});
