import assert from "node:assert/strict";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { passItems } from "@leat/node/media-io/publish-sink.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, until } from "../../support/publish-items.ts";
import { withSplices, writeSplice } from "../../support/splices.ts";
import { demux, H264, makeTs, packetsOf } from "../../support/ts-files.ts";

const seconds = 8;
const pictures = ["-f", "lavfi", "-i", `testsrc2=size=96x64:rate=25:duration=${seconds}`];
const sound = ["-f", "lavfi", "-i", `sine=frequency=500:sample_rate=48000:duration=${seconds}`];
const VIDEO_PID = 256;

describe("the cues of a transport stream", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];

  after(() => Promise.all(nodes.map((node) => node.stop())));

  it("are ranges in every playlist of an edge, at the pictures that they mean, each once", async () => {
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
    const leave = writeSplice({ eventId: 5, isOut: true, ticks: firstTicks + 2 * 90_000, durationTicks: 3 * 90_000 });
    const enter = writeSplice({ eventId: 5, isOut: false, ticks: firstTicks + 5 * 90_000 });
    const { items } = demux(
      withSplices(bytes, [
        { at: places[Math.floor(places.length / 8)]!, section: leave },
        { at: places[Math.floor(places.length / 6)]!, section: leave },
        { at: places[Math.floor(places.length / 2)]!, section: enter },
      ]),
    );
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await passItems(sink, items.slice(0, 150));
    await balancer.until(() => balancer.jobs.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    await passItems(sink, items.slice(150));
    await sink.end({ clean: true });
    const { window } = edge.delivery.findStream(balancer.slug)!;
    await until(() => window.ended);
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
