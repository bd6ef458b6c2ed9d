import assert from "node:assert/strict";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { usePushScene, withoutKey } from "../../../support/push-scene.ts";
import { makeTsSegments, PushServer } from "../../../support/push-server.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { H264, HEVC, makeTs, PICTURES, SOUND } from "../../../support/ts-files.ts";

const KEY = "K".repeat(43);

describe("segments pushed by HTTP", () => {
  const { on, start, refusal } = usePushScene();

  it("are one publish, whose pictures and sound come in order and on one clock", async () => {
    const made = await start();
    for (const [number, segment] of on.segments.entries()) {
      const method: Record<string, string> = number % 2 === 0 ? {} : { "content-type": "video/mp2t" };
      const response = await made.push(`/live/${KEY}/${number}.ts`, segment, { "content-duration": "1000", ...method });
      assert.deepEqual([response.status, await response.text()], [200, ""]);
    }
    assert.deepEqual(
      on.asked.map(({ key, info: { protocol, address } }) => ({ key, protocol, address })),
      [{ key: KEY, protocol: "push", address: "127.0.0.1" }],
    );
    assert.equal(on.sink.videos.length, 100);
    assert.deepEqual(new Set(on.sink.configs.map(({ codec }) => codec)), new Set(["h264", "aac"]));
    const steps = on.sink.videos.slice(1).map(({ dtsMs }, at) => dtsMs - on.sink.videos[at]!.dtsMs);
    assert.ok(
      steps.every((step) => Math.abs(step - 40) < 0.1),
      `${steps}`,
    );
    assert.deepEqual(
      on.sink.videos.flatMap(({ key }, at) => (key ? [at] : [])),
      [0, 25, 50, 75],
    );
    assert.ok(Math.abs(on.sink.audios.length - (4 * 48_000) / 1_024) <= 3, `${on.sink.audios.length} packets of sound`);
  });

  it("go on over the wrap of their clock, whatever was refused in between", async () => {
    const four = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=4"];
    const wrapping = await makeTsSegments(...four, ...H264, "-output_ts_offset", "95441.7");
    const made = await start();
    const [first, ...rest] = wrapping as [Uint8Array, ...Uint8Array[]];
    assert.equal((await made.push(`/live/${KEY}/0.ts`, first)).status, 200);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, withoutKey(on.segments[0]!))).status, 422);
    for (const [at, segment] of rest.entries()) {
      assert.equal((await made.push(`/live/${KEY}/${at + 1}.ts`, segment)).status, 200);
    }
    const times = on.sink.videos.map(({ dtsMs }) => dtsMs);
    assert.equal(times.length, 100);
    assert.ok(times[0]! < 2 ** 33 / 90 && times.at(-1)! > 2 ** 33 / 90, `${times[0]} to ${times.at(-1)}`);
    assert.ok(times.every((time, at) => at === 0 || Math.abs(time - times[at - 1]! - 40) < 0.1));
  });

  it("are taken with the key in a header, where the stream's name is the client's own", async () => {
    const made = await start();
    const headers = { authorization: `Bearer ${KEY}` };
    assert.equal((await made.push("/live/my-movie/0.ts", on.segments[0]!, headers)).status, 200);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, on.segments[1]!)).status, 200);
    assert.deepEqual(
      on.asked.map(({ key }) => key),
      [KEY],
    );
  });

  it("are taken in the order of their numbers, whichever comes first", async () => {
    const made = await start({ reorderMs: 10_000 });
    assert.equal((await made.push(`/live/${KEY}/7.ts`, on.segments[0]!)).status, 200);
    const last = made.push(`/live/${KEY}/10.ts`, on.segments[3]!);
    const second = made.push(`/live/${KEY}/9.ts`, on.segments[2]!);
    const first = made.push(`/live/${KEY}/8.ts`, on.segments[1]!);
    assert.deepEqual(
      (await Promise.all([last, second, first])).map(({ status }) => status),
      [200, 200, 200],
    );
    const times = on.sink.videos.map(({ dtsMs }) => dtsMs);
    assert.deepEqual(
      times,
      times.toSorted((left, right) => left - right),
    );
    assert.equal(times.length, 100);
  });

  it("are waited for while they come in, and not longer than the bound where they do not", async () => {
    const clock = new ManualClock();
    const made = await start({ reorderMs: 500 }, { clock });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const slow = made.push(`/live/${KEY}/1.ts`, readable);
    await writer.write(on.segments[1]!.subarray(0, 1_000));
    await made.whenHeld((bytes) => bytes >= 1);
    const later = made.push(`/live/${KEY}/2.ts`, on.segments[2]!);
    await made.whenHeld((bytes) => bytes >= on.segments[2]!.length);
    await clock.advance(5_000);
    assert.equal(on.sink.videos.length, 25, "the third waits for the second, which is coming");
    await writer.write(on.segments[1]!.subarray(1_000));
    await writer.close();
    assert.deepEqual(
      (await Promise.all([slow, later])).map(({ status }) => status),
      [200, 200],
    );
    const skipping = made.push(`/live/${KEY}/9.ts`, on.segments[3]!);
    await made.whenHeld((bytes) => bytes >= on.segments[3]!.length);
    await clock.advance(499);
    assert.equal(on.sink.videos.length, 75);
    await clock.advance(1);
    assert.equal((await skipping).status, 200);
    assert.equal(on.sink.videos.length, 100);
  });

  it("that come twice are taken once, and one that changed or is late is refused for good", async () => {
    const made = await start({ reorderMs: 0 });
    const push = (number: number, segment: number) => made.push(`/live/${KEY}/${number}.ts`, on.segments[segment]!);
    assert.equal((await push(3, 0)).status, 200);
    assert.equal((await push(5, 1)).status, 200);
    assert.equal((await push(5, 1)).status, 200);
    assert.equal((await push(3, 0)).status, 200);
    assert.equal(on.sink.videos.length, 50);
    assert.deepEqual(await refusal(await push(5, 2)), [422, "PUSH_SEGMENT_CHANGED"]);
    assert.deepEqual(await refusal(await push(4, 2)), [422, "PUSH_SEGMENT_LATE"]);
    const both = await Promise.all([push(6, 2), push(6, 2)]);
    assert.deepEqual(
      both.map(({ status }) => status),
      [200, 200],
    );
    assert.equal(on.sink.videos.length, 75);
    assert.equal((await push(0, 3)).status, 200, "a client that began anew");
    assert.equal(on.sink.videos.length, 100);
  });

  it("that come again after many later ones are not taken for a client that began anew", async () => {
    const clock = new ManualClock();
    const made = await start({ reorderMs: 0, idleMs: 600_000 }, { clock });
    const push = (number: number) => made.push(`/live/${KEY}/${number}.ts`, on.segments[number % 4]!);
    for (const number of [0, ...range(50, 61)]) assert.equal((await push(number)).status, 200);
    for (const number of [0, 50, 51, 60]) {
      if (number === 60) assert.equal((await push(number)).status, 200);
      else assert.deepEqual(await refusal(await push(number)), [422, "PUSH_SEGMENT_LATE"]);
    }
    assert.deepEqual(await refusal(await push(49)), [422, "PUSH_SEGMENT_LATE"], "it may have been lost on its way");
    assert.equal(on.sink.videos.length, 12 * 25);
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[1]!)).status, 200, "a client that began anew");
    assert.deepEqual(await refusal(await push(50)), [422, "PUSH_SEGMENT_LATE"], "of the client before");
    assert.equal((await push(1)).status, 200);
    assert.equal(on.sink.videos.length, 14 * 25);
    await clock.advance(60_000);
    assert.equal((await push(0)).status, 200, "nobody sends a segment again after so long");
    assert.equal((await push(2)).status, 200);
    assert.equal(on.sink.videos.length, 16 * 25);
  });

  it("that are broken at the beginning of a new run leave the stream as it was", async () => {
    const made = await start({ reorderMs: 0 });
    const push = (number: number, body: Uint8Array) => made.push(`/live/${KEY}/${number}.ts`, body);
    assert.equal((await push(5, on.segments[0]!)).status, 200);
    assert.deepEqual(await refusal(await push(0, withoutKey(on.segments[1]!))), [422, "PUSH_KEY_FRAME_MISSING"]);
    assert.equal(on.sink.ends, 0);
    assert.equal((await push(5, on.segments[0]!)).status, 200);
    assert.equal((await push(6, on.segments[1]!)).status, 200);
    assert.deepEqual([on.asked.length, on.sink.videos.length], [1, 50]);
    assert.equal((await push(4, on.segments[2]!)).status, 200, "a client that goes back to before all");
    assert.equal(on.sink.videos.length, 75);
  });

  it("that hold nothing of use are refused, each by its own code, and the next is taken", async () => {
    const made = await start();
    const push = (number: number, body: Uint8Array) => made.push(`/live/${KEY}/${number}.ts`, body);
    assert.equal((await push(0, on.segments[0]!)).status, 200);
    assert.deepEqual(await refusal(await push(1, new Uint8Array(0))), [400, "PUSH_BODY_MISSING"]);
    assert.deepEqual(await refusal(await push(1, on.segments[1]!.slice(0, 3 * 188))), [422, "PUSH_SEGMENT_EMPTY"]);
    assert.deepEqual(await refusal(await push(1, new Uint8Array(100_000))), [422, "MPEGTS_SYNC_LOST"]);
    assert.deepEqual(await refusal(await push(1, withoutKey(on.segments[1]!))), [422, "PUSH_KEY_FRAME_MISSING"]);
    const mpeg2 = await makeTs(...PICTURES, "-c:v", "mpeg2video");
    assert.deepEqual(await refusal(await push(1, mpeg2)), [422, "MPEGTS_CODEC_UNSUPPORTED"]);
    assert.equal((await push(1, on.segments[1]!)).status, 200);
    assert.equal(on.sink.ends, 0);
    assert.equal(on.asked.length, 1);
  });

  it("may be HEVC, or sound alone", async () => {
    const made = await start();
    const [hevc, sound] = await Promise.all([makeTs(...PICTURES, ...HEVC), makeTs(...SOUND, "-c:a", "aac")]);
    assert.equal((await made.push(`/live/${KEY}/0.ts`, hevc)).status, 200);
    assert.equal((await made.push(`/live/${KEY}/1.ts`, sound)).status, 200);
    assert.equal(on.sink.videos.length, 50);
    assert.ok(on.sink.audios.length > 90);
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
    assert.equal(on.asked.length, 0, "nobody is asked about it");
    assert.deepEqual(await refusal(await made.push(path, long)), [422, "PUSH_SEGMENT_TOO_LONG"]);
    assert.deepEqual(await refusal(await made.push(path, new Uint8Array(65_537))), [413, "PUSH_SEGMENT_TOO_LARGE"]);
    assert.equal(made.service.heldBytes, 0);
  });

  it("of heads or names that make no sense are refused before anything is read", async () => {
    const made = await start();
    const [segment] = on.segments as [Uint8Array];
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
    assert.deepEqual(on.asked, []);
  });

  it("of a stream that is refused hear why, as a gateway's client understands it", async () => {
    const refused = (code: string) => {
      throw new CodedError({ code });
    };
    for (const [code, status] of [
      ["STREAM_KEY_UNKNOWN", 403],
      ["PUBLISH_LEASE_HELD", 409],
      ["BUYER_UNFUNDED", 402],
      ["BUYER_AGENT_ABSENT", 409],
      ["BUYER_REPUTATION_LOW", 402],
      ["INGEST_BALANCER_AWAY", 503],
    ] as const) {
      on.server = await PushServer.start(async () => refused(code));
      assert.deepEqual(await refusal(await on.server.push(`/live/${KEY}/0.ts`, on.segments[0]!)), [status, code]);
      await on.server.stop();
    }
  });

  it("end with their stream, and the next asks for it anew", async () => {
    const made = await start();
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200);
    on.sink.video = () => {
      throw new CodedError({ code: "INGEST_PUBLISHER_REPLACED" });
    };
    const replaced = await made.push(`/live/${KEY}/1.ts`, on.segments[1]!);
    assert.deepEqual(await refusal(replaced), [409, "INGEST_PUBLISHER_REPLACED"]);
    assert.deepEqual(await on.sink.ended.promise, { clean: false });
    on.sink = new RecorderSink();
    assert.equal((await made.push(`/live/${KEY}/1.ts`, on.segments[1]!)).status, 200);
    assert.deepEqual([on.asked.length, on.sink.videos.length], [2, 25]);
  });

  it("that stop coming leave their stream, and one that never was of use leaves it at once", async () => {
    const clock = new ManualClock();
    const made = await start({ idleMs: 30_000 }, { clock });
    assert.equal((await made.push(`/live/${KEY}/0.ts`, on.segments[0]!)).status, 200);
    await clock.advance(29_000);
    assert.equal(on.sink.ends, 0);
    await clock.advance(2_000);
    assert.deepEqual(await on.sink.ended.promise, { clean: false });
    on.sink = new RecorderSink();
    assert.equal((await made.push(`/live/${KEY}/0.ts`, new Uint8Array(188))).status, 422);
    assert.deepEqual(await on.sink.ended.promise, { clean: false });
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}
