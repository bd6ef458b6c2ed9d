import assert from "node:assert/strict";
import type { Part } from "@leat/node/media/packager.ts";
import { LONGEST_WAIT_MS } from "@leat/node/media-io/hls/reload.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { type FastifyInstance, fastify } from "fastify";
import { TestStream } from "../../../support/hls-stream.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const config = { kind: "video", codec: "h264", timescale: 90_000, width: 320, height: 240 } as VideoConfig;

describe("parts over HTTP", () => {
  let app: FastifyInstance;
  let stream: TestStream;
  let clock: ManualClock;

  beforeEach(async () => {
    clock = new ManualClock();
    stream = new TestStream();
    stream.window.describe([{ rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", bitrate: 1 }]);
    stream.window.setConfig(1, 0, config);
    app = fastify();
    await addLive(app, { findStream: () => stream }, { clock });
    stream.addSegment(1, 0, [partOf(0, 0), partOf(0, 1), partOf(0, 2)], 63_000);
  });
  afterEach(() => app.close());

  /** Of one byte more than the part before, so that no two are alike. */
  function partOf(sequence: number, index: number): Part {
    const bytes = new Uint8Array(100 + index).fill(sequence);
    const facts = { index, frames: 7, pixels: 1, durationTicks: 21_000, startTicks: 0, headSizeBytes: 50 };
    return { ...facts, bytes, independent: index === 0 };
  }

  const get = (file: string) => app.inject({ url: `/live/slug/240p/${file}` });
  const heldBack = async (count: number) => {
    while (clock.sleeping < count) await new Promise((resolve) => setImmediate(resolve));
  };

  it("gives a part's own bytes, for ever the same, and counts them where they stand in the segment", async () => {
    const answer = await get("0.1.m4s");
    assert.deepEqual([answer.statusCode, answer.rawPayload.length], [200, 101]);
    assert.equal(answer.headers["content-type"], "video/mp4");
    assert.equal(answer.headers["cache-control"], "public, max-age=600, immutable");
    assert.deepEqual(stream.counted, [[1, 0, 100, 201]]);
    const again = await app.inject({
      url: "/live/slug/240p/0.1.m4s",
      headers: { "if-none-match": answer.headers.etag as string },
    });
    assert.equal(again.statusCode, 304);
    stream.addPart(1, 1, partOf(1, 0));
    assert.deepEqual((await get("1.0.m4s")).rawPayload, Buffer.alloc(100, 1));
    for (const file of ["0.3.m4s", "1.2.m4s", "7.0.m4s", "0.1.2.m4s"]) {
      assert.deepEqual([(await get(file)).statusCode, file], [404, file]);
    }
  });

  it("answers the hinted part when it is there, across a segment's end", async () => {
    await get("0.1.m4s");
    assert.equal(stream.waits, 0);
    const [first, both] = [get("1.0.m4s"), Promise.all([get("1.0.m4s"), get("1.0.m4s")])];
    await heldBack(1);
    assert.equal(stream.waits, 3);
    stream.addPart(1, 1, partOf(1, 0));
    assert.equal((await first).rawPayload.length, 100);
    assert.deepEqual(
      (await both).map(({ statusCode }) => statusCode),
      [200, 200],
    );
    const last = get("1.1.m4s");
    await heldBack(1);
    stream.addSegment(1, 1, [partOf(1, 0), partOf(1, 1)], 42_000);
    assert.deepEqual((await last).rawPayload, Buffer.alloc(101, 1));
    assert.equal(clock.sleeping, 0);
  });

  it("lets nobody wait for a part for ever, nor for one that does not come", async () => {
    const late = get("1.0.m4s");
    await heldBack(1);
    await clock.advance(LONGEST_WAIT_MS);
    assert.deepEqual([(await late).statusCode, (await late).headers["cache-control"]], [404, "no-store"]);
    const lost = get("1.0.m4s");
    await heldBack(1);
    stream.window.end();
    assert.equal((await lost).statusCode, 404);
    assert.equal((await get("1.0.m4s")).statusCode, 404);
  });

  it("answers a playlist when its part is there, all who wait with one buffer", async () => {
    let written = 0;
    const { window } = stream;
    const write = window.playlist.bind(window);
    window.playlist = (...input) => {
      written += 1;
      return write(...input);
    };
    const waiting = [1, 2, 3].map(() => get("index.m3u8?_HLS_msn=1&_HLS_part=0"));
    const behind = [get("index.m3u8?_HLS_msn=0&_HLS_part=3"), get("index.m3u8?_HLS_msn=1")];
    await heldBack(3);
    stream.addPart(1, 1, partOf(1, 0));
    for (const answer of await Promise.all([...waiting, behind[0]!])) {
      assert.match(answer.body, /1\.0\.m4s",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1\.1\.m4s"\n/);
      assert.equal(answer.headers["cache-control"], "public, max-age=24");
    }
    assert.equal(written, 1);
    stream.addPart(1, 1, partOf(1, 1));
    stream.addSegment(1, 1, [partOf(1, 0), partOf(1, 1), partOf(1, 2)], 63_000);
    assert.equal(written, 1);
    // It is whole for players once the next one has begun.
    stream.addPart(1, 2, partOf(2, 0));
    assert.match((await behind[1]!).body, /\n1\.m4s\n(.*\n){2}#EXT-X-PRELOAD-HINT:TYPE=PART,URI="2\.1\.m4s"\n/);
    assert.equal(written, 2);
  });
});
