import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Part } from "@leat/node/media/packager.ts";
import { PolicyAccess } from "@leat/node/media-io/access/viewer-access.ts";
import { LONGEST_TRANSFER_MS } from "@leat/node/media-io/hls/open-body.ts";
import { LONGEST_WAIT_MS } from "@leat/node/media-io/hls/reload.ts";
import { addLive, type HlsDoor } from "@leat/node/media-io/hls/routes.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import { type FastifyInstance, fastify } from "fastify";
import { TestStream } from "../../../support/hls-stream.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { makePlaybackSigner } from "../../../support/playback-keys.ts";
import { wholeSegment } from "../../../support/whole-segment.ts";

const config = { kind: "video", codec: "h264", timescale: 90_000, width: 320, height: 240 } as VideoConfig;
const PART_TICKS = 21_000;
/** Where the open segment starts. */
const START = 63_000;
const signer = makePlaybackSigner("ES256");

/** What a client has of an answer so far. */
interface Got {
  readonly response: IncomingMessage;
  readonly chunks: Buffer[];
  /** Resolves once so many bytes are there. */
  has(sizeBytes: number): Promise<void>;
  /** Resolves when the answer is over, whole or not. */
  readonly closed: Promise<void>;
}

describe("a segment that is being written, over HTTP", () => {
  let app: FastifyInstance;
  let stream: TestStream;
  let clock: ManualClock;
  let door: HlsDoor | undefined;
  let policy: PlaybackPolicy;
  let base: string;

  beforeEach(async () => {
    clock = new ManualClock();
    policy = { type: "public" };
    door = undefined;
    stream = new TestStream();
    Object.defineProperty(stream, "guarded", { get: () => ({ id: "0xid", slug: "slug-slug", policy }) });
    stream.window.describe([{ rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", bitrate: 1 }]);
    stream.window.setConfig(1, 0, config);
    stream.addSegment(1, 0, [partOf(0), partOf(1), partOf(2)], START);
    app = fastify();
    const owners = { ask: async () => assert.fail("nobody is asked") };
    const access = new PolicyAccess({ owners, clock, metrics: silentMetrics });
    const paying: HlsDoor = {
      isPaid: () => door !== undefined,
      requestHeaders: [],
      responseHeaders: [],
      admit: async (...input) => door!.admit(...input),
    };
    await addLive(app, { findStream: () => stream }, { clock, access, door: paying });
    await app.listen({ host: "127.0.0.1", port: 0 });
    base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/live/slug-slug`;
  });
  afterEach(() => app.close());

  /** Of a size and a content of its own. */
  function partOf(index: number, { at = 0, sizeBytes = 100 + index } = {}): Part {
    const bytes = new Uint8Array(sizeBytes).fill(10 * (at + 1) + index);
    const startTicks = at + index * PART_TICKS;
    const facts = { index, frames: 7, pixels: 1, durationTicks: PART_TICKS, startTicks, headSizeBytes: 50 };
    return { ...facts, bytes, independent: index === 0 };
  }
  const part = (index: number, sizeBytes?: number) => partOf(index, { at: START, ...(sizeBytes && { sizeBytes }) });

  async function open(path = `240p/0-${START}.m4s`): Promise<Got> {
    const outgoing = httpRequest(`${base}/${path}`, { agent: false });
    outgoing.end();
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    const closed = new Promise<void>((resolve) => response.once("close", () => resolve()));
    response.on("error", () => {});
    const has = async (sizeBytes: number) => {
      while (chunks.reduce((sum, { length }) => sum + length, 0) < sizeBytes) await once(response, "data");
    };
    return { response, chunks, has, closed };
  }
  /** The same of a client that takes what comes. */
  async function get(path?: string): Promise<Got> {
    const got = await open(path);
    got.response.on("data", (chunk: Buffer) => got.chunks.push(chunk));
    return got;
  }
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
  };

  it("gives each part before the next is there, in order, and in the end what the whole segment is", async () => {
    stream.addPart(1, 1, part(0));
    const { response, chunks, has, closed } = await get();
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers["transfer-encoding"], "chunked");
    assert.equal(response.headers["content-type"], "video/mp4");
    assert.equal(response.headers["cache-control"], "public, max-age=600, immutable");
    assert.deepEqual([response.headers.etag, response.headers["content-length"]], [undefined, undefined]);
    assert.equal(stream.waits, 1);
    await has(100);
    for (const [index, total] of [
      [1, 201],
      [2, 303],
    ] as const) {
      assert.equal(Buffer.concat(chunks).length, total - 100 - index);
      stream.addPart(1, 1, part(index));
      await has(total);
    }
    assert.equal(response.complete, false);
    stream.addSegment(1, 1, [part(0), part(1), part(2), part(3)], 84_000);
    await closed;
    assert.equal(response.complete, true);
    const whole = Buffer.from(wholeSegment(stream, 1, 1)!);
    assert.deepEqual(Buffer.concat(chunks), whole);
    assert.deepEqual(stream.counted, [
      [1, 1, 0, 100],
      [1, 1, 100, 201],
      [1, 1, 201, 303],
      [1, 1, 303, 406],
    ]);
    for (const name of [`0-${START}`, "1"]) {
      const after = await fetch(`${base}/240p/${name}.m4s`);
      assert.equal(after.headers.get("content-length"), String(whole.length));
      assert.deepEqual(Buffer.from(await after.arrayBuffer()), whole);
    }
    assert.equal(clock.sleeping, 0);
  });

  it("gives who comes late the parts that are there at once, and all who wait the next one", async () => {
    for (const index of [0, 1]) stream.addPart(1, 1, part(index));
    const crowd = await Promise.all(Array.from({ length: 20 }, () => get()));
    await Promise.all(crowd.map(({ has }) => has(201)));
    // One wait for all of them, and how long each may take.
    await until(() => clock.sleeping === 21);
    stream.addPart(1, 1, part(2));
    await Promise.all(crowd.map(({ has }) => has(303)));
    stream.addSegment(1, 1, [part(0), part(1), part(2)], START);
    await Promise.all(crowd.map(({ closed }) => closed));
    for (const { response, chunks } of crowd) {
      assert.deepEqual([response.complete, Buffer.concat(chunks).length], [true, 303]);
    }
  });

  it("says nothing of its length to who asks for the head alone", async () => {
    stream.addPart(1, 1, part(0));
    const head = await fetch(`${base}/240p/0-${START}.m4s`, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, null]);
    assert.deepEqual(stream.counted, []);
  });

  it("ends with a segment that ends early, and with the stream", async () => {
    for (const index of [0, 1]) stream.addPart(1, 1, part(index));
    const { response, chunks, has, closed } = await get();
    await has(201);
    stream.addSegment(1, 1, [part(0), part(1)], 42_000);
    stream.window.end();
    await closed;
    assert.equal(response.complete, true);
    assert.deepEqual(Buffer.concat(chunks), Buffer.from(wholeSegment(stream, 1, 1)!));
  });

  it("waits for a publisher that comes back, whose new segment ends the one before", async () => {
    stream.addPart(1, 1, part(0));
    const { response, chunks, has, closed } = await get();
    await has(100);
    await until(() => clock.isSlept(LONGEST_WAIT_MS));
    await clock.advance(3 * LONGEST_WAIT_MS);
    await until(() => clock.sleeping === 2);
    stream.addSegment(1, 1, [part(0)], PART_TICKS);
    await closed;
    assert.deepEqual([response.complete, Buffer.concat(chunks).length], [true, 100]);
  });

  it("cuts off where parts stop coming, so that nobody takes what came for the whole", async () => {
    stream.addPart(1, 1, part(0));
    const { response, chunks, has, closed } = await get();
    await has(100);
    await until(() => clock.isSlept(LONGEST_TRANSFER_MS));
    await clock.advance(LONGEST_TRANSFER_MS);
    await closed;
    assert.deepEqual([response.complete, Buffer.concat(chunks).length], [false, 100]);
    await until(() => clock.sleeping === 0);
  });

  it("keeps nothing of a viewer that goes away", async () => {
    const listeners = countListeners();
    stream.addPart(1, 1, part(0));
    const { response, has } = await get();
    await has(100);
    await until(() => listeners.now === 1);
    response.destroy();
    await until(() => listeners.now === 0 && clock.sleeping === 0);
    assert.deepEqual(stream.counted, [[1, 1, 0, 100]]);
  });

  it("takes no part for a viewer that has not taken the one before, and lets go of it after a while", async () => {
    const size = 64 * 2 ** 20;
    const asked = noteAsked();
    stream.addPart(1, 1, part(0, size));
    const { response, closed } = await open();
    for (const index of [1, 2]) stream.addPart(1, 1, part(index));
    const other = await get();
    await other.has(size + 203);
    assert.deepEqual(asked, [0, 0, 1, 2]);
    await until(() => clock.isSlept(LONGEST_TRANSFER_MS));
    await clock.advance(LONGEST_TRANSFER_MS);
    response.resume();
    await closed;
    assert.equal(response.complete, false);
    assert.equal(stream.counted.filter(([, , from]) => from === 0).length, 1);
    await until(() => clock.sleeping === 0);
  });

  it("gives a viewer that is slow but goes on all of it", async () => {
    const size = 16 * 2 ** 20;
    stream.addPart(1, 1, part(0, size));
    const { response, chunks, closed } = await open();
    for (const index of [1, 2]) stream.addPart(1, 1, part(index));
    stream.addSegment(1, 1, [part(0, size), part(1), part(2)], START);
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      response.pause();
      setImmediate(() => response.resume());
    });
    await closed;
    assert.equal(response.complete, true);
    assert.ok(Buffer.concat(chunks).equals(wholeSegment(stream, 1, 1)!));
  });

  it("is played to nobody who may not watch", async () => {
    policy = { type: "jwt", keys: [signer.key] };
    stream.addPart(1, 1, part(0));
    const refused = await fetch(`${base}/240p/0-${START}.m4s`);
    assert.equal(refused.status, 401);
    assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "PLAYBACK_TOKEN_MISSING");
    const token = signer.sign({ sub: "slug-slug", exp: clock.nowMs() / 1_000 + 600 });
    const { response, has, closed } = await get(`240p/0-${START}.m4s?token=${token}`);
    assert.equal(response.headers["cache-control"], "private, max-age=600, immutable");
    await has(100);
    stream.addSegment(1, 1, [part(0)], PART_TICKS);
    await closed;
    assert.deepEqual(stream.counted, [[1, 1, 0, 100]]);
  });

  it("is given to viewers who pay once it is whole and its price is known", async () => {
    const charged: number[] = [];
    const settled: number[] = [];
    door = {
      isPaid: () => true,
      requestHeaders: [],
      responseHeaders: [],
      admit: async (_request, _reply, sizeBytes) => {
        charged.push(sizeBytes);
        return { settle: (sentBytes) => void settled.push(sentBytes) };
      },
    };
    stream.addPart(1, 1, part(0));
    const answer = fetch(`${base}/240p/0-${START}.m4s`);
    await until(() => clock.sleeping === 1);
    assert.deepEqual(charged, []);
    stream.addPart(1, 1, part(1));
    stream.addSegment(1, 1, [part(0), part(1)], 42_000);
    assert.equal((await (await answer).arrayBuffer()).byteLength, 201);
    await until(() => settled.length === 1);
    assert.deepEqual([charged, settled, stream.counted], [[201], [201], []]);
  });

  it("holds nobody up when the server closes", async () => {
    stream.addPart(1, 1, part(0));
    const { response, has, closed } = await get();
    await has(100);
    await app.close();
    await closed;
    assert.equal(response.complete, false);
  });

  function countListeners(): { now: number } {
    const listeners = { now: 0 };
    const { window } = stream;
    const listen = window.onChange.bind(window);
    window.onChange = (listener) => {
      listeners.now += 1;
      const forget = listen(listener);
      return () => {
        listeners.now -= 1;
        forget();
      };
    };
    return listeners;
  }

  /** Which parts' bytes were asked for. */
  function noteAsked(): number[] {
    const asked: number[] = [];
    const bytesOf = stream.partBytes.bind(stream);
    stream.partBytes = (rung, sequence, index) => {
      asked.push(index);
      return bytesOf(rung, sequence, index);
    };
    return asked;
  }
});
