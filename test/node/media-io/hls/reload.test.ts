import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { checkDelta } from "@leat/node/media/inspect/check-reload.ts";
import { LONGEST_WAIT_MS, Waiters } from "@leat/node/media-io/hls/reload.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { type FastifyInstance, fastify } from "fastify";
import { TestStream } from "../../../support/hls-stream.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const config: VideoConfig = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 320,
  height: 240,
  description: Uint8Array.of(1, 0x64, 0, 0x1f),
  codecString: "avc1.64001f",
};

describe("blocking reload", () => {
  let app: FastifyInstance;
  let stream: TestStream;
  let clock: ManualClock;
  let added: number;

  beforeEach(async () => {
    clock = new ManualClock();
    stream = new TestStream();
    added = 0;
    stream.window.describe(
      ["240p", "120p"].map((name, index) => {
        return { rung: index + 1, name, kind: "video", codec: "h264", family: "h264", bitrate: 1 } as const;
      }),
    );
    for (const rung of [1, 2]) stream.window.setConfig(rung, 0, config);
    app = fastify();
    await addLive(app, { findStream: () => stream }, { clock });
  });
  afterEach(() => app.close());

  function add(rung = 1): void {
    const bytes = new Uint8Array(100);
    const facts = { index: 0, frames: 60, pixels: 1, durationTicks: 180_000, startTicks: added * 180_000 };
    stream.addSegment(rung, added, [{ ...facts, bytes, independent: true, headSizeBytes: 50 }], 180_000);
    added += 1;
  }

  const load = (query = "") => app.inject({ url: `/live/slug/240p/index.m3u8${query}` });
  const heldBack = async (count: number) => {
    while (clock.sleeping < count) await new Promise((resolve) => setImmediate(resolve));
  };

  it("answers when the segment is there, all who wait with one buffer", async () => {
    add();
    const waiting = [load("?_HLS_msn=1"), load("?_HLS_msn=1"), load("?_HLS_msn=1&_HLS_part=2")];
    await heldBack(2);
    // Who waits for a whole segment is in no hurry.
    assert.equal(stream.waits, 1);
    // Another rung's segment is none that they wait for.
    added = 0;
    add(2);
    assert.equal(clock.sleeping, 2);
    add();
    for (const answer of await Promise.all(waiting)) {
      assert.equal(answer.statusCode, 200);
      assert.match(answer.body, /\n1\.m4s\n/);
      assert.equal(answer.headers["cache-control"], "public, max-age=24");
    }
    assert.equal(clock.sleeping, 0);
  });

  it("lets the loop turn between the answers to a crowd", async () => {
    const waiters = new Waiters(clock);
    let isHere = false;
    let answered = 0;
    const responses: EventEmitter[] = [];
    for (let viewer = 0; viewer < 40; viewer += 1) {
      const response = new EventEmitter();
      const waiting = waiters.until(stream.window, "part", () => isHere, response as ServerResponse);
      void waiting.then(() => {
        answered += 1;
        // One who was not told yet leaves.
        if (viewer === 0) responses[39]!.emit("close");
      });
      responses.push(response);
    }
    isHere = true;
    add();
    const turns: number[] = [];
    for (let before = 0; answered < 40; before = answered) {
      await new Promise((resolve) => setImmediate(resolve));
      turns.push(answered - before);
    }
    assert.deepEqual(turns, [17, 16, 7]);
  });

  it("answers at once what is there, and at the end", async () => {
    add();
    assert.match((await load("?_HLS_msn=0")).body, /\n0\.m4s\n/);
    const waiting = load("?_HLS_msn=2");
    await heldBack(1);
    stream.window.end();
    assert.match((await waiting).body, /#EXT-X-ENDLIST/);
    assert.match((await load("?_HLS_msn=99")).body, /#EXT-X-ENDLIST/);
  });

  it("answers with what there is when nothing comes, for no cache to keep", async () => {
    add();
    const waiting = load("?_HLS_msn=1");
    await heldBack(1);
    await clock.advance(LONGEST_WAIT_MS);
    const answer = await waiting;
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.equal(answer.body, (await load()).body);
  });

  it("refuses to wait for what is too far", async () => {
    add();
    const answer = await load("?_HLS_msn=3");
    assert.deepEqual([answer.statusCode, answer.json().error.code], [400, "HLS_RELOAD_TOO_FAR"]);
    const early = await app.inject({ url: "/live/slug/120p/index.m3u8?_HLS_msn=9" });
    assert.deepEqual([early.statusCode, early.json().error.code], [503, "HLS_NOT_READY"]);
    assert.equal(early.headers["retry-after"], "1");
  });

  it("forgets a viewer that leaves", async () => {
    add();
    await app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const asked = request({ port, path: "/live/slug/240p/index.m3u8?_HLS_msn=1" }).end();
    asked.on("error", () => {});
    await heldBack(1);
    asked.destroy();
    while (clock.sleeping > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it("answers who waits with what there is when the server closes", async () => {
    add();
    await app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const waiting = fetch(`http://127.0.0.1:${port}/live/slug/240p/index.m3u8?_HLS_msn=1`);
    await heldBack(1);
    const closed = app.close();
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.headers.get("cache-control")], [200, "no-store"]);
    await answer.text();
    await closed;
  });

  it("sends an update that is the whole playlist with what the player has", async () => {
    for (let count = 0; count < 30; count += 1) add();
    const held = await load();
    add();
    const [update, whole] = [await load("?_HLS_msn=30&_HLS_skip=YES"), await load()];
    assert.ok(update.body.length < whole.body.length / 2);
    assert.match(update.body, /#EXT-X-SKIP:SKIPPED-SEGMENTS=18\n/);
    assert.deepEqual(checkDelta(held.body, update.body, whole.body), []);
  });
});
