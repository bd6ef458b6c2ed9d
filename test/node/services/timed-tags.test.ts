import assert from "node:assert/strict";
import { ID3_SCHEME } from "@leat/node/media/mp4/event-message.ts";
import { readBoxes } from "../../support/media/mp4-reader.ts";
import type { MediaNode } from "../../support/media-network.ts";
import { withTags, writeTag } from "../../support/timed-tags.ts";
import { demux } from "../../support/ts-files.ts";
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

  after(() => Promise.all(nodes.map((node) => node.stop())));

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
});
