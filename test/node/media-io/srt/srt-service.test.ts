import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { EventEmitter, once } from "node:events";
import type { Worker } from "node:worker_threads";
import { createLogger } from "@leat/node/kernel/logger.ts";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { SrtThreadData } from "@leat/node/media-io/srt/messages.ts";
import type { SrtOptions } from "@leat/node/media-io/srt/options.ts";
import { deriveSrtSecret, passphraseOf, srtAddress } from "@leat/node/media-io/srt/passphrase.ts";
import { openSrtThread, SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import type { AuthorizeSrt } from "@leat/node/media-io/srt/srt-session.ts";
import { nameOfHash, type SrtTarget } from "@leat/node/media-io/srt/stream-id.ts";
import { IngestError } from "@leat/node/services/ingest/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { noteInto } from "../../../support/noting-logger.ts";
import { until } from "../../../support/publish-items.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { callSrt, publishPattern, startCaller, stopCaller } from "../../../support/srt-caller.ts";
import { H264, makeTs, PICTURES } from "../../../support/ts-files.ts";

const secret = deriveSrtSecret(new Uint8Array(32).fill(7));
const keyHash = bytesToHex(createHash("sha256").update("key").digest());
const name = nameOfHash(keyHash);
const usual: SrtOptions = {
  enabled: true,
  host: "127.0.0.1",
  port: 0,
  maxConnections: 10,
  maxViewers: 10,
  recheckMs: 10_000,
  latencyMs: 120,
  encryptedOnly: false,
  idleMs: 10_000,
};

describe("srt service", function () {
  this.timeout(60_000);
  let service: SrtService | undefined;
  const arrivals = new EventEmitter();
  let seen: { target: SrtTarget; sink: RecorderSink }[] = [];
  before(() => startCaller());
  after(() => stopCaller());
  beforeEach(() => {
    seen = [];
  });
  afterEach(() => service?.stop());

  async function serve(
    options: Partial<SrtOptions> = {},
    authorize: AuthorizeSrt = (target) => take(target),
  ): Promise<SrtService> {
    service = new SrtService({ authorize, secret, logger: silentLogger }, { ...usual, ...options });
    await service.start();
    return service;
  }

  /** The sink of the publisher that came as the first, the second... */
  async function sinkAt(index: number): Promise<RecorderSink> {
    while (seen.length <= index) await once(arrivals, "sink");
    return seen[index]!.sink;
  }

  async function take(target: SrtTarget): Promise<PublishSink> {
    return keep(target, new RecorderSink());
  }

  function keep(target: SrtTarget, sink: RecorderSink): PublishSink {
    seen.push({ target, sink });
    arrivals.emit("sink");
    return sink;
  }

  const forms: readonly (readonly [name: string, query: string, target: SrtTarget])[] = [
    ["the key itself", "streamid=secret-key", { type: "key", key: "secret-key" }],
    ["the key in fields", "streamid=#!::r=secret-key,m=publish", { type: "key", key: "secret-key" }],
  ];
  for (const [what, query, target] of forms) {
    it(`takes the ffmpeg program that names ${what}`, async () => {
      const { url } = await serve();
      const publisher = publishPattern(`${url}?${query}`, 2);
      await once(publisher, "exit");
      const [first] = seen;
      assert.deepEqual(first?.target, target);
      assert.deepEqual(await first!.sink.ended.promise, { clean: false });
      assert.deepEqual(first!.sink.configs.map(({ codec }) => codec).sort(), ["aac", "h264"]);
      assert.ok(first!.sink.videos.length >= 40, `${first!.sink.videos.length} pictures`);
      assert.equal(first!.sink.ends, 1);
    });
  }

  it("takes the ffmpeg program at the encrypted address that a buyer is given", async () => {
    const { url } = await serve({ encryptedOnly: true });
    const publisher = publishPattern(srtAddress(url, secret, keyHash), 2);
    await once(publisher, "exit");
    assert.deepEqual(seen[0]?.target, { type: "hash", keyHash });
    await seen[0]!.sink.ended.promise;
    assert.ok(seen[0]!.sink.videos.length >= 40);
  });

  it("takes all that a publisher sent, that too which its own latency holds back when it goes", async () => {
    const { url } = await serve();
    const publisher = publishPattern(`${url}?streamid=key&latency=1500000`, 2);
    await once(publisher, "exit");
    const { sink } = seen[0]!;
    await sink.ended.promise;
    // Three quarters of them were held back. Who goes takes along what it has not delivered.
    assert.ok(sink.videos.length >= 40, `${sink.videos.length} pictures`);
  });

  it("takes a publisher again that was killed, while the first is not known to be lost", async () => {
    const { url } = await serve();
    const first = publishPattern(`${url}?streamid=key`);
    await (await sinkAt(0)).firstVideo.promise;
    first.kill("SIGKILL");
    await once(first, "exit");
    const second = publishPattern(`${url}?streamid=key`);
    await (await sinkAt(1)).firstVideo.promise;
    assert.deepEqual(await seen[0]!.sink.ended.promise, { clean: false });
    second.kill("SIGKILL");
    await once(second, "exit");
  });

  it("lets in nobody with a wrong passphrase, with none, or with one where none is due", async () => {
    const { port } = await serve();
    const other = passphraseOf(deriveSrtSecret(new Uint8Array(32).fill(8)), keyHash);
    const [wrong, none, undue] = [
      await callSrt(port, name, other),
      await callSrt(port, name),
      await callSrt(port, "plain-key", passphraseOf(secret, keyHash)),
    ];
    // SRT_REJ_BADSECRET and SRT_REJ_UNSECURE.
    assert.deepEqual([wrong.refused, none.refused, undue.refused], [10, 11, 11]);
    assert.deepEqual(seen, []);
  });

  it("tells a caller why it is not let in", async () => {
    const { port } = await serve({ encryptedOnly: true });
    const reasons: (number | undefined)[] = [];
    for (const id of ["", "a b", "#!::r=a", "plain-key"]) reasons.push((await callSrt(port, id)).refused);
    assert.deepEqual(reasons, [1400, 1400, 1405, 1401]);
    assert.deepEqual(seen, []);
  });

  const refusals = [
    ["INGEST_KEYS_LIMITED", 1402],
    ["INGEST_BALANCER_AWAY", 1503],
  ] as const;
  for (const [code, reason] of refusals) {
    it(`closes who is refused by ${code}, and tells it when it comes back`, async () => {
      let asked = 0;
      const refused = Promise.withResolvers<void>();
      const { port } = await serve({}, async (_, { signal }) => {
        asked += 1;
        signal.addEventListener("abort", () => {});
        refused.resolve();
        throw new IngestError({ code });
      });
      const first = await callSrt(port, "key");
      await refused.promise;
      let again = await callSrt(port, "key");
      let letIn = 1;
      for (; again.refused === undefined; letIn += 1) again = await callSrt(port, "key");
      assert.equal(again.refused, reason);
      // Whoever is let in is asked about, if later than the next one is refused.
      await until(() => asked === letIn);
      const asks = asked;
      assert.equal((await callSrt(port, "key")).refused, reason);
      assert.equal(asked, asks);
      // Whose address tries too many keys is not heard with another one either.
      const other = await callSrt(port, "another-key");
      assert.equal(other.refused, code === "INGEST_KEYS_LIMITED" ? reason : undefined);
      first.close();
    });
  }

  /** Whose pictures nobody can be shown. */
  class UnshownSink extends RecorderSink {
    override video(): void {
      throw new IngestError({ code: "INGEST_LADDER_MISSING", codec: "hevc" });
    }
  }

  for (const [what, code, encoder, sinkOf] of [
    ["whose media it does not know", "MPEGTS_CODEC_UNSUPPORTED", ["-c:v", "mpeg2video"], () => new RecorderSink()],
    ["that can be shown to nobody", "INGEST_LADDER_MISSING", H264, () => new UnshownSink()],
  ] as const) {
    it(`ends a publish ${what}, and says so to who comes back`, async () => {
      const { port } = await serve({}, async (target) => keep(target, sinkOf()));
      const bytes = await makeTs(...PICTURES, ...encoder);
      const caller = await callSrt(port, "key");
      for (let at = 0; at < bytes.length; at += 1_316) caller.send(bytes.subarray(at, at + 1_316));
      assert.deepEqual(await (await sinkAt(0)).ended.promise, { clean: false, code });
      let again = await callSrt(port, "key");
      while (again.refused === undefined) again = await callSrt(port, "key");
      assert.equal(again.refused, 1415);
    });
  }

  it("writes no stream key into its log", async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: "debug" }, { write: (line: string) => void lines.push(line) });
    const authorize = async () => Promise.reject(new IngestError({ code: "INGEST_BALANCER_AWAY" }));
    service = new SrtService({ authorize, secret, logger }, usual);
    await service.start();
    await callSrt(service.port, "#!::r=a secret,m=publish");
    let call = await callSrt(service.port, "a-secret");
    while (call.refused === undefined) call = await callSrt(service.port, "a-secret");
    await service.stop();
    const log = lines.join("");
    assert.ok(log.includes("Refuse SRT publisher") && log.includes("Refuse SRT handshake"));
    assert.ok(!/a.secret/.test(log) && !log.includes(secret));
  });

  it("bounds how many are connected", async () => {
    const { port } = await serve({ maxConnections: 3 });
    const calls = [];
    for (let index = 0; index < 3; index += 1) calls.push(await callSrt(port, `key-${index}`));
    await sinkAt(2);
    assert.equal((await callSrt(port, "key-3")).refused, 1402);
    for (const call of calls) call.close();
  });

  it("ends who is connected and sends nothing", async () => {
    const { port } = await serve({ idleMs: 1_000 });
    const caller = await callSrt(port, "key");
    assert.deepEqual(await (await sinkAt(0)).ended.promise, { clean: false });
    caller.close();
  });

  it("ends every publish when the node stops", async () => {
    const { port } = await serve();
    await callSrt(port, "key");
    await sinkAt(0);
    await service!.stop();
    assert.equal(seen[0]!.sink.ends, 1);
    assert.equal(service!.fault?.detail.code, "SRT_STOPPED");
  });

  it("loses nothing while its sink is slow", async () => {
    const bytes = await makeTs(...PICTURES, ...H264);
    const opened = Promise.withResolvers<void>();
    const { port } = await serve({}, async (target) => {
      await opened.promise;
      return take(target);
    });
    const caller = await callSrt(port, "key");
    for (let at = 0; at < bytes.length; at += 1_316) caller.send(bytes.subarray(at, at + 1_316));
    opened.resolve();
    await (await sinkAt(0)).firstVideo.promise;
    caller.close();
    await seen[0]!.sink.ended.promise;
    assert.equal(seen[0]!.sink.videos.length, 50);
  });

  it("takes a stream id of the greatest length, and goes on after it", async () => {
    const { port } = await serve();
    const fields = "#!::r=key,m=publish,u=";
    const call = await callSrt(port, fields + "a".repeat(512 - fields.length));
    assert.equal(call.refused, undefined);
    await sinkAt(0);
    assert.deepEqual(seen[0]?.target, { type: "key", key: "key" });
    call.close();
    await seen[0]!.sink.ended.promise;
    const next = await callSrt(port, "next");
    await sinkAt(1);
    assert.deepEqual([next.refused, service?.fault], [undefined, undefined]);
    next.close();
  });

  it("begins anew at its port when its thread is lost, later each time, and takes publishers again", async () => {
    const clock = new ManualClock();
    const { threads, openThread } = noteThreads();
    service = new SrtService({ authorize: take, secret, clock, openThread, logger: silentLogger }, usual);
    await service.start();
    const { port } = service;
    for (const [lost, pauseMs] of [1_000, 2_000, 4_000].entries()) {
      const call = await callSrt(port, "key");
      const sink = await sinkAt(lost);
      await lose(threads.at(-1)!);
      assert.deepEqual([await sink.ended.promise, service.fault?.detail.code], [{ clean: false }, "SRT_THREAD_LOST"]);
      await until(() => clock.isSlept(pauseMs));
      assert.equal(threads.length, lost + 1);
      await clock.advance(pauseMs);
      await until(() => service!.fault === undefined);
      assert.deepEqual([service.port, threads.length], [port, lost + 2]);
      call.close();
    }
    // What was lost after it stood for long is no worse than the first time.
    await clock.advance(600_000);
    await lose(threads.at(-1)!);
    await until(() => clock.isSlept(1_000));
  });

  it("takes nobody who comes after its thread was lost for one who came before", async () => {
    const clock = new ManualClock();
    const { threads, openThread } = noteThreads();
    const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()];
    const authorize = (target: SrtTarget) => {
      if (threads.length > 1) return take(target);
      asked.resolve();
      return answered.promise;
    };
    service = new SrtService({ authorize, secret, clock, openThread, logger: silentLogger }, usual);
    await service.start();
    const early = await callSrt(service.port, "key");
    await asked.promise;
    await lose(threads[0]!);
    await until(() => clock.isSlept(1_000));
    await clock.advance(1_000);
    await until(() => service!.fault === undefined);
    const late = await callSrt(service.port, "key");
    const sink = await sinkAt(0);
    answered.reject(new IngestError({ code: "INGEST_BALANCER_AWAY" }));
    await new Promise((resolve) => setImmediate(resolve));
    const bytes = await makeTs(...PICTURES, ...H264);
    for (let at = 0; at < bytes.length; at += 1_316) late.send(bytes.subarray(at, at + 1_316));
    await sink.firstVideo.promise;
    early.close();
    late.close();
  });

  it("tries on where its thread cannot come back at once, and stops at the node's word", async () => {
    const clock = new ManualClock();
    const { threads, openThread } = noteThreads((workerData, opened) => {
      return opened === 1 ? { ...workerData, libraries: ["libno.so.1"] } : workerData;
    });
    service = new SrtService({ authorize: take, secret, clock, openThread, logger: silentLogger }, usual);
    await service.start();
    await lose(threads[0]!);
    await until(() => clock.isSlept(1_000));
    await clock.advance(1_000);
    await until(() => clock.isSlept(2_000));
    assert.deepEqual([threads.length, service.fault?.detail.code], [2, "SRT_THREAD_LOST"]);
    await service.stop();
    assert.deepEqual([clock.sleeping, service.fault?.detail.code], [0, "SRT_STOPPED"]);
  });

  it("tries on where the system gives it no thread, and says so", async () => {
    const clock = new ManualClock();
    const said: string[] = [];
    let asked = 0;
    const { threads, openThread } = noteThreads((workerData) => {
      asked += 1;
      if (asked === 2) throw new Error("EMFILE");
      return workerData;
    });
    service = new SrtService({ authorize: take, secret, clock, openThread, logger: noteInto(said) }, usual);
    await service.start();
    await lose(threads[0]!);
    await until(() => clock.isSlept(1_000));
    await clock.advance(1_000);
    await until(() => clock.isSlept(2_000));
    assert.deepEqual([asked, service.fault?.detail.code], [2, "SRT_THREAD_LOST"]);
    assert.equal(said.filter((line) => line.startsWith("warn Open SRT thread failed")).length, 1);
    await clock.advance(2_000);
    await until(() => service!.fault === undefined);
    assert.equal(threads.length, 2);
  });

  it("goes on without the library where that is missing", async () => {
    service = new SrtService({ authorize: take, secret, logger: silentLogger, libraries: ["libno.so.1"] }, usual);
    await service.start();
    assert.deepEqual(service.fault?.detail, { code: "SRT_LIBRARY_MISSING", tried: "libno.so.1" });
  });

  it("does not start at a port that another program has", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    service = new SrtService({ authorize: take, secret, logger: silentLogger }, { ...usual, port });
    const detail = { code: "SRT_PORT_BUSY", host: "127.0.0.1", port };
    await assert.rejects(service.start(), { detail });
    socket.close();
  });
});

/** The threads of a service in their order. `prepare` may change what the next is given, by how many there were, or throw. */
function noteThreads(prepare = (workerData: SrtThreadData, _opened: number) => workerData) {
  const threads: Worker[] = [];
  const openThread = (workerData: SrtThreadData): Worker => {
    const thread = openSrtThread(prepare(workerData, threads.length));
    threads.push(thread);
    return thread;
  };
  return { threads, openThread };
}

/** It throws at what it does not know. */
async function lose(thread: Worker): Promise<void> {
  const gone = once(thread, "exit");
  thread.postMessage({});
  await gone;
}
