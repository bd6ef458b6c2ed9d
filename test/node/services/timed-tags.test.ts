import assert from "node:assert/strict";
import { ID3_SCHEME } from "@leat/node/media/mp4/event-message.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { makeHls, serveFiles } from "../../support/hls-files.ts";
import { readBoxes } from "../../support/media/mp4-reader.ts";
import { MediaNode } from "../../support/media-network.ts";
import { writeEvent } from "../../support/mp4-tags.ts";
import { until } from "../../support/publish-items.ts";
import { makeTsSegments, PushServer } from "../../support/push-server.ts";
import { SourceServer } from "../../support/source-server.ts";
import { withTags, writeTag } from "../../support/timed-tags.ts";
import { demux, H264, packetsOf } from "../../support/ts-files.ts";
import { TsScene } from "../../support/ts-scene.ts";
import { wholeSegment } from "../../support/whole-segment.ts";

interface TimedEvent {
  readonly atS: number;
  readonly tag: Buffer;
}

/** Events of ID3 in the bytes of a segment. */
function eventsOf(bytes: Uint8Array): TimedEvent[] {
  return readBoxes(bytes)
    .filter(({ type }) => type === "emsg")
    .map(({ body }) => {
      const event = Buffer.from(body);
      assert.equal(event.toString("latin1", 24, 24 + ID3_SCHEME.length), ID3_SCHEME);
      const atS = Number(event.readBigUInt64BE(8)) / event.readUInt32BE(4);
      return { atS, tag: event.subarray(24 + ID3_SCHEME.length + 2) };
    });
}

describe("timed metadata of a transport stream", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];

  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.stop())));

  it("is in the parts of sound of every edge, the same bytes, at the pictures that it means", async () => {
    const scene = await TsScene.start(nodes);
    const { origin, edge, bytes, places, firstTicks } = scene;
    const [early, late] = [writeTag("early"), writeTag("late")];
    const { items } = demux(
      withTags(bytes, [
        { at: places[Math.floor(places.length / 8)]!, ticks: firstTicks + 2 * 90_000, payload: early },
        { at: places[Math.floor(places.length / 2)]!, ticks: firstTicks + 5 * 90_000, payload: late },
      ]),
    );
    // The origin serves it too: from itself, where nothing is verified.
    const [served, own] = await scene.publish(items, [edge, origin]);
    const zeroS = served!.window.segment("64p", 0)!.parts[0]!.startTicks / 90_000;
    const { rung } = served!.window.rendition("audio-aac")!;
    const found = served!.window.held(rung).flatMap(({ sequence }) => {
      const whole = wholeSegment(served!, rung, sequence)!;
      assert.deepEqual(Buffer.from(whole), Buffer.from(wholeSegment(own!, rung, sequence)!));
      return eventsOf(whole);
    });
    assert.deepEqual(
      found.map(({ tag }) => tag),
      [early, late].map((tag) => Buffer.from(tag)),
    );
    for (const [index, atS] of [2, 5].entries()) {
      assert.ok(Math.abs(found[index]!.atS - zeroS - atS) <= 0.1, `${found[index]!.atS} after ${zeroS}`);
    }
    assert.deepEqual(eventsOf(wholeSegment(served!, 1, 1)!), []);
  });

  it("is in the pictures as they came in where there is no sound, and changes nothing of what is made of them", async () => {
    const scene = await TsScene.start(nodes, { hasSound: false, passthrough: true });
    const { balancer, origin, edge, bytes, places, firstTicks } = scene;
    const tags = [2, 5].map((atS) => ({ atS, payload: writeTag(`at ${atS}`) }));
    const { items } = demux(
      withTags(
        bytes,
        tags.map(({ atS, payload }) => ({
          at: places[Math.floor((places.length * atS) / 8)]!,
          ticks: firstTicks + atS * 90_000,
          payload,
        })),
      ),
    );
    const [served, own] = await scene.publish(items, [edge, origin]);
    const { window } = served!;
    const zeroS = window.segment("source", 0)!.parts[0]!.startTicks / 90_000;
    const found = window.held(SOURCE_RUNG).flatMap(({ sequence }) => {
      const whole = wholeSegment(served!, SOURCE_RUNG, sequence)!;
      assert.deepEqual(Buffer.from(whole), Buffer.from(wholeSegment(own!, SOURCE_RUNG, sequence)!));
      return eventsOf(whole);
    });
    assert.deepEqual(
      found.map(({ atS, tag }) => ({ atS: Math.round((atS - zeroS) * 1_000), tag })),
      tags.map(({ atS, payload }) => ({ atS: atS * 1_000, tag: Buffer.from(payload) })),
    );
    const { rung } = window.rendition("64p")!;
    const made = window.held(rung);
    assert.ok(made.length >= 3, `${made.length} segments were made`);
    for (const { sequence } of made) assert.deepEqual(eventsOf(wholeSegment(served!, rung, sequence)!), []);
    await balancer.until(() => balancer.of("publish.end").length > 0);
    // What edges serve is what the origin signed for, and what was made is judged by the source without tags.
    const receipts = balancer.of("receipt.submit").map(({ body }) => body);
    const signed = receipts.filter(({ kind }) => kind === "ingest").flatMap(({ leaves }) => leaves);
    assert.deepEqual(
      window.held(SOURCE_RUNG).flatMap(({ parts }) => parts.map(({ sha256 }) => sha256)),
      signed.filter((leaf) => leaf.rung === SOURCE_RUNG).map(({ sha256 }) => sha256),
    );
    assert.ok(receipts.filter(({ kind }) => kind === "transcode").length >= made.length);
    await balancer.until(() => balancer.of("check.submit").length > 0);
    const verdicts = balancer.of("check.submit").map(({ body }) => body.check.value.verdict);
    assert.deepEqual(new Set(verdicts), new Set([checkVerdicts.passed]));
  });
});

describe("timed metadata of segments", function () {
  this.timeout(60_000);
  const ladder = [{ name: "64p", codec: "h264", height: 64, videoBitrate: 100_000, audioBitrate: 64_000 }] as const;
  const pictures = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=6"];
  const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=6"];
  const media = [...pictures, ...sound, ...H264, "-bf", "0", "-c:a", "aac"];
  let balancer: FakeBalancer;
  let node: MediaNode;

  beforeEach(async () => {
    balancer = new FakeBalancer(ladder);
    node = new MediaNode(balancer);
    await node.start();
    balancer.transcoders = [node];
  });
  afterEach(() => node.stop());

  /** When its sound says which tags, from the first picture on, once so many came. */
  async function heard(count: number): Promise<TimedEvent[]> {
    const stream = node.delivery.findStream(balancer.slug)!;
    const { window } = stream;
    const events = () => {
      const found = window.rendition("audio-aac");
      if (found === undefined) return [];
      return window.held(found.rung).flatMap(({ sequence }) => eventsOf(wholeSegment(stream, found.rung, sequence)!));
    };
    await until(() => window.ended || events().length >= count);
    await until(() => window.segment("64p", 0) !== undefined);
    const zeroS = window.segment("64p", 0)!.parts[0]!.startTicks / 90_000;
    return events().map(({ atS, tag }) => ({ atS: atS - zeroS, tag }));
  }

  /** Within a picture: sound may begin a little before the first one. */
  function checkTimes(events: readonly TimedEvent[], expectedS: readonly number[]): void {
    assert.equal(events.length, expectedS.length);
    for (const [index, atS] of expectedS.entries()) {
      assert.ok(Math.abs(events[index]!.atS - atS) <= 0.1, `${events[index]!.atS} for ${atS}`);
    }
  }

  it("that are pulled is in the parts of sound, at the pictures that it means", async () => {
    const server = await SourceServer.open();
    try {
      const files = await makeHls(...media, "-hls_time", "2", "-hls_segment_type", "fmp4");
      const [early, late] = [writeTag("early"), writeTag("late")];
      for (const [name, atS, tag] of [
        ["live0.m4s", 0.5, early],
        ["live2.m4s", 4.5, late],
      ] as const) {
        files.set(name, Buffer.concat([writeEvent(atS * 90_000, 90_000, tag), files.get(name)!]));
      }
      serveFiles(server, files);
      await balancer.ask(node, "pull.begin", { stream: balancer.stream, url: server.url("/live.m3u8") });
      await balancer.until(() => balancer.renditions.length > 0);
      await balancer.assign(node, balancer.deliverySpec());
      const events = await heard(2);
      assert.deepEqual(
        events.map(({ tag }) => tag),
        [early, late].map((tag) => Buffer.from(tag)),
      );
      checkTimes(events, [0.5, 4.5]);
    } finally {
      server.close();
    }
  });

  it("that are pushed is in the parts of sound, that of the first segment too", async () => {
    const segments = await makeTsSegments(...media);
    const server = await PushServer.start((key, info) => node.ingest.authorize(key, info));
    try {
      const [first] = demux(Uint8Array.from(segments[0]!)).videos;
      const firstTicks = Math.round((first!.dtsMs + first!.ctsMs) * 90);
      // The last segment's sound stays open for what may follow.
      const tags = segments.slice(0, -1).map((_, number) => writeTag(`of ${number}`));
      for (const [number, bytes] of segments.entries()) {
        const ticks = firstTicks + (number + 0.5) * 90_000;
        const [at] = packetsOf(bytes, 256);
        const payload = tags[number];
        const tagged = withTags(bytes, payload === undefined ? [] : [{ at: at!, ticks, payload }]);
        assert.equal((await server.push(`/live/${balancer.streamKey}/${number}.ts`, tagged)).status, 200);
        if (number !== 0) continue;
        await balancer.until(() => balancer.renditions.length > 0);
        await balancer.assign(node, balancer.deliverySpec());
      }
      const events = await heard(tags.length);
      assert.deepEqual(
        events.map(({ tag }) => tag),
        tags.map((tag) => Buffer.from(tag)),
      );
      checkTimes(
        events,
        tags.map((_, number) => number + 0.5),
      );
    } finally {
      await server.stop();
    }
  });
});
