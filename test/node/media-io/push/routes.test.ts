import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { MadeRendition, PublishInfo } from "@leat/node/media-io/publish-sink.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { readMultipart } from "../../../support/multipart.ts";
import { codeOf, makeTsSegments, PushServer } from "../../../support/push-server.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { demux, H264, HEVC, makeTs, PICTURES, packetsOf, SOUND } from "../../../support/ts-files.ts";

const KEY = "K".repeat(43);

describe("segments pushed by HTTP", () => {
  let server: PushServer | undefined;
  let sink: RecorderSink;
  let asked: { key: string; info: PublishInfo }[];
  /** Of a second each, on one clock, of pictures and sound. */
  let segments: Uint8Array[];

  before(async () => {
    const four = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=4"];
    const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=4"];
    segments = await makeTsSegments(...four, ...sound, ...H264, "-c:a", "aac");
    assert.equal(segments.length, 4);
  });

  beforeEach(() => {
    sink = new RecorderSink();
    asked = [];
  });

  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  const take = async (key: string, info: PublishInfo) => {
    asked.push({ key, info });
    return sink;
  };
  const start = async (...more: Parameters<typeof PushServer.start> extends [unknown, ...infer R] ? R : never) => {
    server = await PushServer.start(take, ...more);
    return server;
  };
  const refusal = async (response: Response) => [response.status, await codeOf(response)];

  it("are one publish, whose pictures and sound come in order and on one clock", async () => {
    const made = await start();
    for (const [number, segment] of segments.entries()) {
      const method: Record<string, string> = number % 2 === 0 ? {} : { "content-type": "video/mp2t" };
      const response = await made.push(`/live/${KEY}/${number}.ts`, segment, { "content-duration": "1000", ...method });
      assert.deepEqual([response.status, await response.text()], [200, ""]);
    }
    assert.deepEqual(
      asked.map(({ key, info: { protocol, address } }) => ({ key, protocol, address })),
      [{ key: KEY, protocol: "push", address: "127.0.0.1" }],
    );
    assert.equal(sink.videos.length, 100);
    assert.deepEqual(new Set(sink.configs.map(({ codec }) => codec)), new Set(["h264", "aac"]));
    const steps = sink.videos.slice(1).map(({ dtsMs }, at) => dtsMs - sink.videos[at]!.dtsMs);
    assert.ok(
      steps.every((step) => Math.abs(step - 40) < 0.1),
      `${steps}`,
    );
    assert.deepEqual(
      sink.videos.flatMap(({ key }, at) => (key ? [at] : [])),
      [0, 25, 50, 75],
    );
    assert.ok(Math.abs(sink.audios.length - (4 * 48_000) / 1_024) <= 3, `${sink.audios.length} packets of sound`);
  });

  it("go on over the wrap of their clock, whatever was refused in between", async () => {
    const four = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=4"];
    const wrapping = await makeTsSegments(...four, ...H264, "-output_ts_offset", "95441.7");
    const made = await start();
    const [first, ...rest] = wrapping as [Uint8Array, ...Uint8Array[]];
    assert.equal((await made.push(`/live/${KEY}/0.ts`, first)).status, 200);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, withoutKey(segments[0]!))).status, 422);
    for (const [at, segment] of rest.entries()) {
      assert.equal((await made.push(`/live/${KEY}/${at + 1}.ts`, segment)).status, 200);
    }
    const times = sink.videos.map(({ dtsMs }) => dtsMs);
    assert.equal(times.length, 100);
    assert.ok(times[0]! < 2 ** 33 / 90 && times.at(-1)! > 2 ** 33 / 90, `${times[0]} to ${times.at(-1)}`);
    assert.ok(times.every((time, at) => at === 0 || Math.abs(time - times[at - 1]! - 40) < 0.1));
  });

  it("are taken with the key in a header, where the stream's name is the client's own", async () => {
    const made = await start();
    const headers = { authorization: `Bearer ${KEY}` };
    assert.equal((await made.push("/live/my-movie/0.ts", segments[0]!, headers)).status, 200);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, segments[1]!)).status, 200);
    assert.deepEqual(
      asked.map(({ key }) => key),
      [KEY],
    );
  });

  it("are taken in the order of their numbers, whichever comes first", async () => {
    const made = await start({ reorderMs: 10_000 });
    assert.equal((await made.push(`/live/${KEY}/7.ts`, segments[0]!)).status, 200);
    const last = made.push(`/live/${KEY}/10.ts`, segments[3]!);
    const second = made.push(`/live/${KEY}/9.ts`, segments[2]!);
    const first = made.push(`/live/${KEY}/8.ts`, segments[1]!);
    assert.deepEqual(
      (await Promise.all([last, second, first])).map(({ status }) => status),
      [200, 200, 200],
    );
    const times = sink.videos.map(({ dtsMs }) => dtsMs);
    assert.deepEqual(
      times,
      times.toSorted((left, right) => left - right),
    );
    assert.equal(times.length, 100);
  });

  it("are waited for while they come in, and not longer than the bound where they do not", async () => {
    const clock = new ManualClock();
    const made = await start({ reorderMs: 500 }, { clock });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, segments[0]!)).status, 200);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const slow = made.push(`/live/${KEY}/1.ts`, readable);
    await writer.write(segments[1]!.subarray(0, 1_000));
    await heldFrom(made, 1);
    const later = made.push(`/live/${KEY}/2.ts`, segments[2]!);
    await heldFrom(made, segments[2]!.length);
    await clock.advance(5_000);
    assert.equal(sink.videos.length, 25, "the third waits for the second, which is coming");
    await writer.write(segments[1]!.subarray(1_000));
    await writer.close();
    assert.deepEqual(
      (await Promise.all([slow, later])).map(({ status }) => status),
      [200, 200],
    );
    const skipping = made.push(`/live/${KEY}/9.ts`, segments[3]!);
    await heldFrom(made, segments[3]!.length);
    await clock.advance(499);
    assert.equal(sink.videos.length, 75);
    await clock.advance(1);
    assert.equal((await skipping).status, 200);
    assert.equal(sink.videos.length, 100);
  });

  it("that come twice are taken once, and one that changed or is late is refused for good", async () => {
    const made = await start({ reorderMs: 0 });
    const push = (number: number, segment: number) => made.push(`/live/${KEY}/${number}.ts`, segments[segment]!);
    assert.equal((await push(3, 0)).status, 200);
    assert.equal((await push(5, 1)).status, 200);
    assert.equal((await push(5, 1)).status, 200);
    assert.equal((await push(3, 0)).status, 200);
    assert.equal(sink.videos.length, 50);
    assert.deepEqual(await refusal(await push(5, 2)), [422, "PUSH_SEGMENT_CHANGED"]);
    assert.deepEqual(await refusal(await push(4, 2)), [422, "PUSH_SEGMENT_LATE"]);
    const both = await Promise.all([push(6, 2), push(6, 2)]);
    assert.deepEqual(
      both.map(({ status }) => status),
      [200, 200],
    );
    assert.equal(sink.videos.length, 75);
    assert.equal((await push(0, 3)).status, 200, "a client that began anew");
    assert.equal(sink.videos.length, 100);
  });

  it("that come again after many later ones are not taken for a client that began anew", async () => {
    const clock = new ManualClock();
    const made = await start({ reorderMs: 0, idleMs: 600_000 }, { clock });
    const push = (number: number) => made.push(`/live/${KEY}/${number}.ts`, segments[number % 4]!);
    for (const number of [0, ...range(50, 61)]) assert.equal((await push(number)).status, 200);
    for (const number of [0, 50, 51, 60]) {
      if (number === 60) assert.equal((await push(number)).status, 200);
      else assert.deepEqual(await refusal(await push(number)), [422, "PUSH_SEGMENT_LATE"]);
    }
    assert.deepEqual(await refusal(await push(49)), [422, "PUSH_SEGMENT_LATE"], "it may have been lost on its way");
    assert.equal(sink.videos.length, 12 * 25);
    assert.equal((await made.push(`/live/${KEY}/0.ts`, segments[1]!)).status, 200, "a client that began anew");
    assert.deepEqual(await refusal(await push(50)), [422, "PUSH_SEGMENT_LATE"], "of the client before");
    assert.equal((await push(1)).status, 200);
    assert.equal(sink.videos.length, 14 * 25);
    await clock.advance(60_000);
    assert.equal((await push(0)).status, 200, "nobody sends a segment again after so long");
    assert.equal((await push(2)).status, 200);
    assert.equal(sink.videos.length, 16 * 25);
  });

  it("that are broken at the beginning of a new run leave the stream as it was", async () => {
    const made = await start({ reorderMs: 0 });
    const push = (number: number, body: Uint8Array) => made.push(`/live/${KEY}/${number}.ts`, body);
    assert.equal((await push(5, segments[0]!)).status, 200);
    assert.deepEqual(await refusal(await push(0, withoutKey(segments[1]!))), [422, "PUSH_KEY_FRAME_MISSING"]);
    assert.equal(sink.ends, 0);
    assert.equal((await push(5, segments[0]!)).status, 200);
    assert.equal((await push(6, segments[1]!)).status, 200);
    assert.deepEqual([asked.length, sink.videos.length], [1, 50]);
    assert.equal((await push(4, segments[2]!)).status, 200, "a client that goes back to before all");
    assert.equal(sink.videos.length, 75);
  });

  it("that hold nothing of use are refused, each by its own code, and the next is taken", async () => {
    const made = await start();
    const push = (number: number, body: Uint8Array) => made.push(`/live/${KEY}/${number}.ts`, body);
    assert.equal((await push(0, segments[0]!)).status, 200);
    assert.deepEqual(await refusal(await push(1, new Uint8Array(0))), [400, "PUSH_BODY_MISSING"]);
    assert.deepEqual(await refusal(await push(1, segments[1]!.slice(0, 3 * 188))), [422, "PUSH_SEGMENT_EMPTY"]);
    assert.deepEqual(await refusal(await push(1, new Uint8Array(100_000))), [422, "MPEGTS_SYNC_LOST"]);
    assert.deepEqual(await refusal(await push(1, withoutKey(segments[1]!))), [422, "PUSH_KEY_FRAME_MISSING"]);
    const mpeg2 = await makeTs(...PICTURES, "-c:v", "mpeg2video");
    assert.deepEqual(await refusal(await push(1, mpeg2)), [422, "MPEGTS_CODEC_UNSUPPORTED"]);
    assert.equal((await push(1, segments[1]!)).status, 200);
    assert.equal(sink.ends, 0);
    assert.equal(asked.length, 1);
  });

  it("may be HEVC, or sound alone", async () => {
    const made = await start();
    const [hevc, sound] = await Promise.all([makeTs(...PICTURES, ...HEVC), makeTs(...SOUND, "-c:a", "aac")]);
    assert.equal((await made.push(`/live/${KEY}/0.ts`, hevc)).status, 200);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, sound)).status, 200);
    assert.equal(sink.videos.length, 50);
    assert.ok(sink.audios.length > 90);
  });

  it("too long by their head or their media, or too large, are refused", async () => {
    const made = await start({ maxSegmentMs: 1_500, maxSegmentBytes: 65_536 });
    const long = await makeTs(...PICTURES, ...H264);
    assert.ok(long.length < 65_536);
    const path = `/live/${KEY}/0.ts`;
    assert.deepEqual(await refusal(await made.push(path, long, { "content-duration": "1501" })), [
      422,
      "PUSH_SEGMENT_TOO_LONG",
    ]);
    assert.equal(asked.length, 0, "nobody is asked about it");
    assert.deepEqual(await refusal(await made.push(path, long)), [422, "PUSH_SEGMENT_TOO_LONG"]);
    assert.deepEqual(await refusal(await made.push(path, new Uint8Array(65_537))), [413, "PUSH_SEGMENT_TOO_LARGE"]);
    assert.equal(made.service.heldBytes, 0);
  });

  it("of heads or names that make no sense are refused before anything is read", async () => {
    const made = await start();
    const [segment] = segments as [Uint8Array];
    const path = `/live/${KEY}/0.ts`;
    for (const name of ["index.m3u8", "x.ts", "-1.ts", "1.mp4", "1234567890123456.ts", "1.ts.ts"]) {
      assert.deepEqual(await refusal(await made.push(`/live/${KEY}/${name}`, segment)), [400, "PUSH_NAME_INVALID"]);
    }
    for (const headers of [{ "content-duration": "2.5" }, { "content-resolution": "big" }] as Record<
      string,
      string
    >[]) {
      assert.deepEqual(await refusal(await made.push(path, segment, headers)), [400, "PUSH_HEADER_INVALID"]);
    }
    const configuration = { "livepeer-transcode-configuration": "{" };
    assert.deepEqual(await refusal(await made.push(path, segment, configuration)), [400, "PUSH_CONFIGURATION_INVALID"]);
    const long = { authorization: `Bearer ${"k".repeat(257)}` };
    assert.deepEqual(await refusal(await made.push(path, segment, long)), [403, "PUSH_KEY_INVALID"]);
    const none = await fetch(`http://127.0.0.1:${made.port}${path}`, { method: "PUT" });
    assert.deepEqual(await refusal(none), [400, "PUSH_BODY_MISSING"]);
    assert.deepEqual(asked, []);
  });

  it("of a stream that is refused hear why, as a gateway's client understands it", async () => {
    const refused = (code: string) => {
      throw new CodedError({ code });
    };
    for (const [code, status] of [
      ["STREAM_KEY_UNKNOWN", 403],
      ["PUBLISH_LEASE_HELD", 409],
      ["BUYER_UNFUNDED", 402],
      ["INGEST_BALANCER_AWAY", 503],
    ] as const) {
      server = await PushServer.start(async () => refused(code));
      assert.deepEqual(await refusal(await server.push(`/live/${KEY}/0.ts`, segments[0]!)), [status, code]);
      await server.stop();
    }
  });

  it("end with their stream, and the next asks for it anew", async () => {
    const made = await start();
    assert.equal((await made.push(`/live/${KEY}/0.ts`, segments[0]!)).status, 200);
    sink.video = () => {
      throw new CodedError({ code: "INGEST_PUBLISHER_REPLACED" });
    };
    const replaced = await made.push(`/live/${KEY}/1.ts`, segments[1]!);
    assert.deepEqual(await refusal(replaced), [409, "INGEST_PUBLISHER_REPLACED"]);
    assert.deepEqual(await sink.ended.promise, { clean: false });
    sink = new RecorderSink();
    assert.equal((await made.push(`/live/${KEY}/1.ts`, segments[1]!)).status, 200);
    assert.deepEqual([asked.length, sink.videos.length], [2, 25]);
  });

  it("that stop coming leave their stream, and one that never was of use leaves it at once", async () => {
    const clock = new ManualClock();
    const made = await start({ idleMs: 30_000 }, { clock });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, segments[0]!)).status, 200);
    await clock.advance(29_000);
    assert.equal(sink.ends, 0);
    await clock.advance(2_000);
    assert.deepEqual(await sink.ended.promise, { clean: false });
    sink = new RecorderSink();
    assert.equal((await made.push(`/live/${KEY}/0.ts`, new Uint8Array(188))).status, 422);
    assert.deepEqual(await sink.ended.promise, { clean: false });
  });

  it("of a client that sends slowly, or leaves half way, are given up as if they had never come", async () => {
    const clock = new ManualClock();
    const made = await start({ uploadMs: 20_000 }, { clock });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, segments[0]!)).status, 200);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const slow = made.push(`/live/${KEY}/1.ts`, readable);
    await writer.write(segments[1]!.subarray(0, 5_000));
    await heldFrom(made, 5_000);
    await clock.advance(20_000);
    assert.deepEqual(await refusal(await slow), [408, "PUSH_UPLOAD_SLOW"]);
    const socket = connect(made.port, "127.0.0.1");
    socket.write(`PUT /live/${KEY}/1.ts HTTP/1.1\r\nHost: x\r\nContent-Length: ${segments[1]!.length}\r\n\r\n`);
    socket.write(segments[1]!.subarray(0, 5_000));
    await heldFrom(made, 5_000);
    socket.destroy();
    await heldUntil(made, 0);
    assert.equal(sink.videos.length, 25);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, segments[1]!)).status, 200);
    assert.equal(sink.videos.length, 50);
  });

  it("are bounded: in streams, in segments of one stream, and in bytes of all", async () => {
    const made = await start({ maxStreams: 1, maxHeldBytes: 1_048_576, maxSegmentBytes: 2_000_000 });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, segments[0]!)).status, 200);
    assert.deepEqual(await refusal(await made.push("/live/other/0.ts", segments[0]!)), [503, "PUSH_STREAMS_EXCEEDED"]);
    assert.deepEqual(await refusal(await made.push(`/live/${KEY}/1.ts`, new Uint8Array(1_100_000))), [
      503,
      "PUSH_MEMORY_FULL",
    ]);
    const sockets = Array.from({ length: 8 }, (_, at) => {
      const socket = connect(made.port, "127.0.0.1");
      socket.write(`PUT /live/${KEY}/${at + 1}.ts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n.`);
      return socket;
    });
    await heldFrom(made, 8);
    assert.deepEqual(await refusal(await made.push(`/live/${KEY}/9.ts`, segments[1]!)), [429, "PUSH_SEGMENTS_WAITING"]);
    for (const socket of sockets) socket.destroy();
  });

  it("of keys that are still asked about take no place of a stream, and are bounded for each address", async () => {
    const answers = Promise.withResolvers<void>();
    let calls = 0;
    server = await PushServer.start(
      async (key, info) => {
        calls += 1;
        if (key === KEY) return take(key, info);
        await answers.promise;
        if (key === "late") return sink;
        throw new CodedError({ code: "STREAM_KEY_UNKNOWN" });
      },
      { maxStreams: 1 },
    );
    const push = (key: string, number = 0) => server!.push(`/live/${key}/${number}.ts`, segments[number]!);
    const asked = ["late", ...range(1, 32)].map((key) => push(`${key}`));
    while (calls < 32) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await refusal(await push("one-more")), [429, "PUSH_KEYS_WAITING"]);
    answers.resolve();
    const refused = await Promise.all(asked.map(async (response) => refusal(await response).catch(() => [])));
    assert.deepEqual(new Set(refused.slice(1).map(String)), new Set(["403,STREAM_KEY_UNKNOWN"]));
    const full = await push(KEY);
    assert.deepEqual(await refusal(full), [503, "PUSH_STREAMS_EXCEEDED"], "the one that came late is open");
  });

  it("that begin while others are asked about are taken, and who is told yes too late hears so", async () => {
    const [first, second] = [Promise.withResolvers<void>(), new RecorderSink()];
    let isAsked = false;
    server = await PushServer.start(
      async (key, info) => {
        if (key === KEY) return take(key, info);
        isAsked = true;
        await first.promise;
        return second;
      },
      { maxStreams: 1 },
    );
    const slow = server.push("/live/slow/0.ts", segments[0]!);
    while (!isAsked) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await server.push(`/live/${KEY}/0.ts`, segments[0]!)).status, 200);
    first.resolve();
    assert.deepEqual(await refusal(await slow), [503, "PUSH_STREAMS_EXCEEDED"]);
    assert.deepEqual([await second.ended.promise, second.videos.length, sink.ends], [{ clean: false }, 0, 0]);
  });

  it("are answered without renditions by a code, whatever keeps them", async () => {
    const clock = new ManualClock();
    const made = await start({ answerMs: 8_000 }, { clock });
    const push = (number: number, headers = {}) => made.push(`/live/${KEY}/${number}.ts`, segments[number]!, headers);
    const multipart = { accept: "text/plain, Multipart/Mixed;q=0.9" };
    assert.deepEqual(await refusal(await push(0, multipart)), [422, "PUSH_RENDITIONS_NONE"]);
    const coming = Promise.withResolvers<readonly MadeRendition[]>();
    sink.make = () => coming.promise;
    const late = push(1, multipart);
    await sink.until(() => sink.videos.length === 50);
    await clock.advance(8_000);
    assert.deepEqual(await refusal(await late), [503, "PUSH_RENDITIONS_LATE"]);
    const again = push(1, multipart);
    coming.resolve([renditionOf(segments[1]!)]);
    const [part] = await readMultipart(await again);
    assert.equal(demux(Uint8Array.from(part!.body)).videos.length, 25);
    assert.deepEqual([sink.videos.length, sink.segmentsMs.length], [50, 2], "it was taken once");
    assert.ok(sink.segmentsMs.every((lastsMs) => lastsMs > 900 && lastsMs <= 1_000));
    sink.make = () => Promise.reject(new CodedError({ code: "INGEST_RENDITIONS_SHORT" }));
    assert.deepEqual(await refusal(await push(2, multipart)), [422, "INGEST_RENDITIONS_SHORT"]);
    const never = Promise.withResolvers<readonly MadeRendition[]>();
    sink.make = () => never.promise;
    const waiting = push(3);
    await sink.until(() => sink.videos.length === 100);
    await made.service.stop();
    assert.deepEqual(await refusal(await waiting), [503, "PUSH_STOPPED"]);
  });

  it("whose answers are not read hold what others may, and for so long as an upload may take", async () => {
    const clock = new ManualClock();
    const made = await start({ uploadMs: 20_000, maxHeldBytes: 20_000_000 }, { clock });
    // More than the system takes from us for a client that reads nothing.
    sink.make = async () => [withPictures(renditionOf(segments[0]!), 8_000_000)];
    const accept = { accept: "multipart/mixed" };
    const ask = (stream: string) => pushUnread(made.port, `/live/${stream}/0.ts`, segments[0]!, accept);
    const sockets = [ask(KEY), ask(KEY)];
    await heldFrom(made, 16_000_000);
    const path = `/live/${KEY}/0.ts`;
    assert.deepEqual(await refusal(await made.push(path, segments[0]!, accept)), [503, "PUSH_MEMORY_FULL"]);
    assert.equal((await made.push(path, segments[0]!)).status, 200, "who wants none holds nothing");
    const cut = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    await clock.advance(20_000);
    for (const socket of sockets) socket.resume();
    await cut;
    assert.equal(made.service.heldBytes, 0);
    const read = await made.push(path, segments[0]!, accept);
    assert.equal((await readMultipart(read)).length, 1);
    await heldUntil(made, 0);
  });

  it("have so many answers of one stream at once, and a client that leaves gives its place back", async () => {
    const clock = new ManualClock();
    const made = await start({}, { clock });
    sink.make = async () => [withPictures(renditionOf(segments[0]!), 8_000_000)];
    const [path, accept] = [`/live/${KEY}/0.ts`, { accept: "multipart/mixed" }];
    const sockets = [];
    for (let count = 1; count <= 8; count += 1) {
      sockets.push(pushUnread(made.port, path, segments[0]!, accept));
      await heldFrom(made, count * 8_000_000);
    }
    assert.deepEqual(await refusal(await made.push(path, segments[0]!, accept)), [429, "PUSH_SEGMENTS_WAITING"]);
    sink = new RecorderSink();
    assert.equal((await made.push("/live/other/0.ts", segments[0]!)).status, 200);
    for (const socket of sockets) socket.destroy();
    await heldUntil(made, 0);
    assert.equal((await readMultipart(await made.push(path, segments[0]!, accept))).length, 1);
  });

  it("are refused once the node stops", async () => {
    const made = await start();
    assert.equal((await made.push(`/live/${KEY}/0.ts`, segments[0]!)).status, 200);
    await made.service.stop();
    assert.deepEqual(await sink.ended.promise, { clean: false });
    assert.deepEqual(await refusal(await made.push(`/live/${KEY}/1.ts`, segments[1]!)), [503, "PUSH_STOPPED"]);
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

/** As if a rung had made of a segment what it is. */
function renditionOf(segment: Uint8Array): MadeRendition {
  const { videos, configs } = demux(Uint8Array.from(segment));
  const config = configs.find((one) => one.kind === "video") as VideoConfig;
  const frames = videos.map(({ dtsMs, ctsMs, key, data }): Frame => {
    const [dts, pts] = [Math.round(dtsMs * 90), Math.round((dtsMs + ctsMs) * 90)];
    return { kind: "video", epoch: 0, dts, pts, duration: 3_600, key, configVersion: 0, arrivalMs: 0, data };
  });
  const { codec, width, height } = config;
  return { name: "source", codec, width, height, segments: [{ config, frames }] };
}

/** One picture of so many bytes. */
function withPictures(rendition: MadeRendition, bytes: number): MadeRendition {
  const [segment] = rendition.segments;
  const [first] = segment!.frames;
  const data = Buffer.alloc(bytes, 0xff);
  data.writeUInt32BE(bytes - 4);
  data[4] = 0x65;
  return { ...rendition, segments: [{ ...segment!, frames: [{ ...first!, data }] }] };
}

/** The socket of a client that reads no answer. */
function pushUnread(port: number, path: string, body: Uint8Array, headers: Record<string, string>): Socket {
  const socket = connect(port, "127.0.0.1").pause();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\n${lines.join("")}Content-Length: ${body.length}\r\n\r\n`);
  socket.write(body);
  return socket;
}

/** Without the first picture, which is the only key frame. */
function withoutKey(bytes: Uint8Array): Uint8Array {
  const video = packetsOf(bytes, 0x100);
  const [first, second] = video.filter((at) => (bytes[at + 1]! & 0x40) !== 0) as [number, number];
  const dropped = new Set(video.filter((at) => at >= first && at < second));
  const kept = Array.from({ length: bytes.length / 188 }, (_, index) => index * 188).filter((at) => !dropped.has(at));
  return Uint8Array.from(Buffer.concat(kept.map((at) => bytes.subarray(at, at + 188))));
}

async function heldFrom(server: PushServer, bytes: number): Promise<void> {
  while (server.service.heldBytes < bytes) await new Promise((resolve) => setImmediate(resolve));
}

async function heldUntil(server: PushServer, bytes: number): Promise<void> {
  while (server.service.heldBytes > bytes) await new Promise((resolve) => setImmediate(resolve));
}
