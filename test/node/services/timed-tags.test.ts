import assert from "node:assert/strict";
import { ID3_SCHEME } from "@leat/node/media/mp4/event-message.ts";
import { passItems } from "@leat/node/media-io/publish-sink.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { readBoxes } from "../../support/media/mp4-reader.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, until } from "../../support/publish-items.ts";
import { withTags, writeTag } from "../../support/timed-tags.ts";
import { demux, H264, makeTs, packetsOf } from "../../support/ts-files.ts";

const seconds = 8;
const pictures = ["-f", "lavfi", "-i", `testsrc2=size=96x64:rate=25:duration=${seconds}`];
const sound = ["-f", "lavfi", "-i", `sine=frequency=500:sample_rate=48000:duration=${seconds}`];
const VIDEO_PID = 256;

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

  after(() => Promise.all(nodes.map((node) => node.stop())));

  it("is in the parts of sound of every edge, the same bytes, at the pictures that it means", async () => {
    const balancer = new FakeBalancer([
      { name: "64p", codec: "h264", height: 64, videoBitrate: 100_000, audioBitrate: 64_000 },
    ]);
    for (let index = 0; index < 3; index += 1) {
      const node = new MediaNode(balancer);
      nodes.push(node);
      await node.start();
    }
    const [origin, transcoder, edge] = nodes as [MediaNode, MediaNode, MediaNode];
    balancer.transcoders = [transcoder];
    const bytes = await makeTs(...pictures, ...sound, ...H264, "-c:a", "aac");
    const places = packetsOf(bytes, VIDEO_PID);
    const [first] = demux(bytes).videos;
    const firstTicks = Math.round((first!.dtsMs + first!.ctsMs) * 90);
    const [early, late] = [writeTag("early"), writeTag("late")];
    const { items } = demux(
      withTags(bytes, [
        { at: places[Math.floor(places.length / 8)]!, ticks: firstTicks + 2 * 90_000, payload: early },
        { at: places[Math.floor(places.length / 2)]!, ticks: firstTicks + 5 * 90_000, payload: late },
      ]),
    );
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await passItems(sink, items.slice(0, 150));
    await balancer.until(() => balancer.jobs.length > 0);
    // The origin serves it too: from itself, where nothing is verified.
    for (const node of [edge, origin]) await balancer.assign(node, balancer.deliverySpec());
    await passItems(sink, items.slice(150));
    await sink.end({ clean: true });
    const streams = [edge, origin].map((node) => node.delivery.findStream(balancer.slug)!);
    await until(() => streams.every(({ window }) => window.ended));
    const [served, own] = streams;
    const zeroS = served!.window.segment("64p", 0)!.parts[0]!.startTicks / 90_000;
    const { rung } = served!.window.rendition("audio-aac")!;
    const found = served!.window.held(rung).flatMap(({ sequence }) => {
      const whole = served!.bytes(rung, sequence)!;
      assert.deepEqual(Buffer.from(whole), Buffer.from(own!.bytes(rung, sequence)!));
      return eventsOf(whole);
    });
    assert.deepEqual(
      found.map(({ tag }) => tag),
      [early, late].map((tag) => Buffer.from(tag)),
    );
    for (const [index, atS] of [2, 5].entries()) {
      assert.ok(Math.abs(found[index]!.atS - zeroS - atS) <= 0.1, `${found[index]!.atS} after ${zeroS}`);
    }
    assert.deepEqual(eventsOf(served!.bytes(1, 1)!), []);
  });
});
