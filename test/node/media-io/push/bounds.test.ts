import assert from "node:assert/strict";
import { connect } from "node:net";
import type { MadeRendition } from "@leat/node/media-io/publish-sink.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { readMultipart } from "../../../support/multipart.ts";
import { pushUnread, renditionOf, usePushScene, withPictures } from "../../../support/push-scene.ts";
import { PushServer } from "../../../support/push-server.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { demux } from "../../../support/ts-files.ts";

const KEY = "K".repeat(43);

describe("segments pushed by HTTP, in bounds", () => {
  const { on, start, take, refusal } = usePushScene();

  it("of a client that sends slowly, or leaves half way, are given up as if they had never come", async () => {
    const clock = new ManualClock();
    const made = await start({ uploadMs: 20_000 }, { clock });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const slow = made.push(`/live/${KEY}/1.ts`, readable);
    await writer.write(on.segments[1]!.subarray(0, 5_000));
    await made.whenHeld((bytes) => bytes >= 5_000);
    await clock.advance(20_000);
    assert.deepEqual(await refusal(await slow), [408, "PUSH_UPLOAD_SLOW"]);
    const socket = connect(made.port, "127.0.0.1");
    socket.write(`PUT /live/${KEY}/1.ts HTTP/1.1\r\nHost: x\r\nContent-Length: ${on.segments[1]!.length}\r\n\r\n`);
    socket.write(on.segments[1]!.subarray(0, 5_000));
    await made.whenHeld((bytes) => bytes >= 5_000);
    socket.destroy();
    await made.whenHeld((bytes) => bytes === 0);
    assert.equal(on.sink.videos.length, 25);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, on.segments[1]!)).status, 200);
    assert.equal(on.sink.videos.length, 50);
  });

  it("are bounded: in streams, in segments of one stream, and in bytes of all", async () => {
    const made = await start({ maxStreams: 1, maxHeldBytes: 1_048_576, maxSegmentBytes: 2_000_000 });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200);
    assert.deepEqual(await refusal(await made.push("/live/other/0.ts", on.segments[0]!)), [
      503,
      "PUSH_STREAMS_EXCEEDED",
    ]);
    assert.deepEqual(await refusal(await made.push(`/live/${KEY}/1.ts`, new Uint8Array(1_100_000))), [
      503,
      "PUSH_MEMORY_FULL",
    ]);
    const sockets = Array.from({ length: 8 }, (_, at) => {
      const socket = connect(made.port, "127.0.0.1");
      socket.write(`PUT /live/${KEY}/${at + 1}.ts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n.`);
      return socket;
    });
    await made.whenHeld((bytes) => bytes >= 8);
    assert.deepEqual(await refusal(await made.push(`/live/${KEY}/9.ts`, on.segments[1]!)), [
      429,
      "PUSH_SEGMENTS_WAITING",
    ]);
    for (const socket of sockets) socket.destroy();
  });

  it("of keys that are still asked about take no place of a stream, and are bounded for each address", async () => {
    const [answers, full] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let calls = 0;
    on.server = await PushServer.start(
      async (key, info) => {
        calls += 1;
        if (calls === 32) full.resolve();
        if (key === KEY) return take(key, info);
        await answers.promise;
        if (key === "late") return on.sink;
        throw new CodedError({ code: "STREAM_KEY_UNKNOWN" });
      },
      { maxStreams: 1 },
    );
    const push = (key: string, number = 0) => on.server!.push(`/live/${key}/${number}.ts`, on.segments[number]!);
    const asked = ["late", ...range(1, 32)].map((key) => push(`${key}`));
    await full.promise;
    assert.deepEqual(await refusal(await push("one-more")), [429, "PUSH_KEYS_WAITING"]);
    answers.resolve();
    const refused = await Promise.all(asked.map(async (response) => refusal(await response).catch(() => [])));
    assert.deepEqual(new Set(refused.slice(1).map(String)), new Set(["403,STREAM_KEY_UNKNOWN"]));
    assert.deepEqual(await refusal(await push(KEY)), [503, "PUSH_STREAMS_EXCEEDED"], "the one that came late is open");
  });

  it("that begin while others are asked about are taken, and who is told yes too late hears so", async () => {
    const [first, second] = [Promise.withResolvers<void>(), new RecorderSink()];
    const isAsked = Promise.withResolvers<void>();
    on.server = await PushServer.start(
      async (key, info) => {
        if (key === KEY) return take(key, info);
        isAsked.resolve();
        await first.promise;
        return second;
      },
      { maxStreams: 1 },
    );
    const slow = on.server.push("/live/slow/0.ts", on.segments[0]!);
    await isAsked.promise;
    assert.equal((await on.server.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200);
    first.resolve();
    assert.deepEqual(await refusal(await slow), [503, "PUSH_STREAMS_EXCEEDED"]);
    assert.deepEqual([await second.ended.promise, second.videos.length, on.sink.ends], [{ clean: false }, 0, 0]);
  });

  it("are answered without renditions by a code, whatever keeps them", async () => {
    const clock = new ManualClock();
    const made = await start({ answerMs: 8_000 }, { clock });
    const push = (number: number, headers = {}) =>
      made.push(`/live/${KEY}/${number}.ts`, on.segments[number]!, headers);
    const multipart = { accept: "text/plain, Multipart/Mixed;q=0.9" };
    assert.deepEqual(await refusal(await push(0, multipart)), [422, "PUSH_RENDITIONS_NONE"]);
    const coming = Promise.withResolvers<readonly MadeRendition[]>();
    on.sink.make = () => coming.promise;
    const late = push(1, multipart);
    await on.sink.until(() => on.sink.videos.length === 50);
    await clock.advance(8_000);
    assert.deepEqual(await refusal(await late), [503, "PUSH_RENDITIONS_LATE"]);
    const again = push(1, multipart);
    coming.resolve([renditionOf(on.segments[1]!)]);
    const [part] = await readMultipart(await again);
    assert.equal(demux(Uint8Array.from(part!.body)).videos.length, 25);
    assert.deepEqual([on.sink.videos.length, on.sink.segmentsMs.length], [50, 2], "it was taken once");
    assert.ok(on.sink.segmentsMs.every((lastsMs) => lastsMs > 900 && lastsMs <= 1_000));
    on.sink.make = () => Promise.reject(new CodedError({ code: "INGEST_RENDITIONS_SHORT" }));
    assert.deepEqual(await refusal(await push(2, multipart)), [422, "INGEST_RENDITIONS_SHORT"]);
    const never = Promise.withResolvers<readonly MadeRendition[]>();
    on.sink.make = () => never.promise;
    const waiting = push(3);
    await on.sink.until(() => on.sink.videos.length === 100);
    await made.service.stop();
    assert.deepEqual(await refusal(await waiting), [503, "PUSH_STOPPED"]);
  });

  it("name a profile that nobody sells, and hear so whatever they accept", async () => {
    const made = await start();
    on.sink.make = async () => [renditionOf(on.segments[0]!)];
    const push = (profile: object, headers = {}) => {
      const named = { "livepeer-transcode-configuration": JSON.stringify({ profiles: [profile] }) };
      return made.push(`/live/${KEY}/0.ts`, on.segments[0]!, { ...named, ...headers });
    };
    for (const headers of [{}, { accept: "*/*" }, { accept: "multipart/mixed" }]) {
      const answer = await push({ name: "tiny", width: 0, height: 8 }, headers);
      assert.deepEqual(await refusal(answer), [422, "PUSH_PROFILE_UNSOLD"]);
    }
    const { name, width, height } = renditionOf(on.segments[0]!);
    assert.equal((await push({ name, width, height })).status, 200, "who names what is sold");
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200, "who names nothing");
  });

  it("are not taken where it is known that a profile is not sold, and are once they name another", async () => {
    const made = await start();
    const { segments: _, ...rung } = renditionOf(on.segments[0]!);
    on.sink.make = async () => [renditionOf(on.segments[0]!)];
    const push = (number: number, profile: object) => {
      const named = { "livepeer-transcode-configuration": JSON.stringify({ profiles: [profile] }) };
      return made.push(`/live/${KEY}/${number}.ts`, on.segments[number]!, named);
    };
    const tiny = { name: "tiny", width: 0, height: 8 };
    on.sink.foreseen = [rung];
    assert.deepEqual(await refusal(await push(0, tiny)), [422, "PUSH_PROFILE_UNSOLD"]);
    assert.deepEqual([on.sink.configs.length, on.sink.videos.length, on.sink.segmentsMs.length], [0, 0, 0]);
    assert.equal((await push(0, { ...rung })).status, 200, "the same segment");
    assert.deepEqual(await refusal(await push(1, tiny)), [422, "PUSH_PROFILE_UNSOLD"]);
    assert.deepEqual([on.sink.videos.length, on.sink.segmentsMs.length], [25, 1]);
    assert.equal((await made.push(`/live/${KEY}/2.ts`, on.segments[2]!)).status, 200, "who names nothing");
  });

  it("whose answers are not read hold what others may, and for so long as an upload may take", async () => {
    const clock = new ManualClock();
    const made = await start({ uploadMs: 20_000, maxHeldBytes: 20_000_000 }, { clock });
    // More than the system takes from us for a client that reads nothing.
    on.sink.make = async () => [withPictures(renditionOf(on.segments[0]!), 8_000_000)];
    const accept = { accept: "multipart/mixed" };
    const ask = (stream: string) => pushUnread(made.port, `/live/${stream}/0.ts`, on.segments[0]!, accept);
    const sockets = [ask(KEY), ask(KEY)];
    await made.whenHeld((bytes) => bytes >= 16_000_000);
    const path = `/live/${KEY}/0.ts`;
    assert.deepEqual(await refusal(await made.push(path, on.segments[0]!, accept)), [503, "PUSH_MEMORY_FULL"]);
    assert.equal((await made.push(path, on.segments[0]!)).status, 200, "who wants none holds nothing");
    const cut = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    await clock.advance(20_000);
    for (const socket of sockets) socket.resume();
    await cut;
    assert.equal(made.service.heldBytes, 0);
    const read = await made.push(path, on.segments[0]!, accept);
    assert.equal((await readMultipart(read)).length, 1);
    await made.whenHeld((bytes) => bytes === 0);
  });

  it("have so many answers of one stream at once, and a client that leaves gives its place back", async () => {
    const clock = new ManualClock();
    const made = await start({}, { clock });
    on.sink.make = async () => [withPictures(renditionOf(on.segments[0]!), 8_000_000)];
    const [path, accept] = [`/live/${KEY}/0.ts`, { accept: "multipart/mixed" }];
    const sockets = [];
    for (let count = 1; count <= 8; count += 1) {
      sockets.push(pushUnread(made.port, path, on.segments[0]!, accept));
      await made.whenHeld((bytes) => bytes >= count * 8_000_000);
    }
    assert.deepEqual(await refusal(await made.push(path, on.segments[0]!, accept)), [429, "PUSH_SEGMENTS_WAITING"]);
    on.sink = new RecorderSink();
    assert.equal((await made.push("/live/other/0.ts", on.segments[0]!)).status, 200);
    for (const socket of sockets) socket.destroy();
    await made.whenHeld((bytes) => bytes === 0);
    assert.equal((await readMultipart(await made.push(path, on.segments[0]!, accept))).length, 1);
  });

  it("are refused once the node stops", async () => {
    const made = await start();
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200);
    await made.service.stop();
    assert.deepEqual(await on.sink.ended.promise, { clean: false });
    assert.deepEqual(await refusal(await made.push(`/live/${KEY}/1.ts`, on.segments[1]!)), [503, "PUSH_STOPPED"]);
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}
