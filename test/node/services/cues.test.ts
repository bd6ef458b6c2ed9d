import assert from "node:assert/strict";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import type { MediaNode } from "../../support/media-network.ts";
import { withSplices, writeSplice } from "../../support/splices.ts";
import { demux } from "../../support/ts-files.ts";
import { TsScene } from "../../support/ts-scene.ts";

describe("the cues of a transport stream", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];

  after(() => Promise.all(nodes.map((node) => node.stop())));

  it("are ranges in every playlist of an edge, at the pictures that they mean, each once", async () => {
    const scene = await TsScene.start(nodes);
    const { edge, bytes, places, firstTicks } = scene;
    const leave = writeSplice({ eventId: 5, isOut: true, ticks: firstTicks + 2 * 90_000, durationTicks: 3 * 90_000 });
    const enter = writeSplice({ eventId: 5, isOut: false, ticks: firstTicks + 5 * 90_000 });
    const { items } = demux(
      withSplices(bytes, [
        { at: places[Math.floor(places.length / 8)]!, section: leave },
        { at: places[Math.floor(places.length / 6)]!, section: leave },
        { at: places[Math.floor(places.length / 2)]!, section: enter },
      ]),
    );
    const [served] = await scene.publish(items, [edge]);
    const { window } = served!;
    const [zero] = window.held(1);
    for (const name of ["64p", "audio-aac"]) {
      const text = window.playlist(name)!;
      assert.deepEqual(checkPlaylist(text), []);
      const ranges = text.split("\n").filter((line) => line.startsWith("#EXT-X-DATERANGE"));
      assert.equal(ranges.length, 1, text);
      const [start, end] = ["START-DATE", "END-DATE"].map((key) =>
        Date.parse(new RegExp(`${key}="([^"]*)"`).exec(ranges[0]!)![1]!),
      );
      assert.equal(zero!.sequence, 0);
      assert.ok(Math.abs(start! - zero!.wallClockMs - 2_000) <= 100, `${start! - zero!.wallClockMs}`);
      assert.ok(Math.abs(end! - zero!.wallClockMs - 5_000) <= 100, `${end! - zero!.wallClockMs}`);
      assert.match(ranges[0]!, /PLANNED-DURATION=3\.000,SCTE35-OUT=0xFC30[0-9A-F]+,SCTE35-IN=0xFC30[0-9A-F]+$/);
    }
  });
});
