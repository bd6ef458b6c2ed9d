import { passItems } from "@leat/node/media-io/publish-sink.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import { FakeBalancer } from "./fake-balancer.ts";
import { MediaNode } from "./media-network.ts";
import { publishInfo, until } from "./publish-items.ts";
import { demux, H264, makeTs, packetsOf } from "./ts-files.ts";

const seconds = 8;
const pictures = ["-f", "lavfi", "-i", `testsrc2=size=96x64:rate=25:duration=${seconds}`];
const sound = ["-f", "lavfi", "-i", `sine=frequency=500:sample_rate=48000:duration=${seconds}`];
const VIDEO_PID = 256;

/** A transport stream of eight seconds, and three nodes: who takes it in, who makes a rung of it, who serves it. */
export class TsScene {
  readonly balancer: FakeBalancer;
  readonly origin: MediaNode;
  readonly edge: MediaNode;
  readonly bytes: Uint8Array;
  /** Where the packets of its pictures are, for what is put between them. */
  readonly places: readonly number[];
  /** When its first picture shows, on its own clock of 90 kHz. */
  readonly firstTicks: number;

  private constructor(balancer: FakeBalancer, [origin, , edge]: readonly MediaNode[], bytes: Uint8Array) {
    this.balancer = balancer;
    this.origin = origin!;
    this.edge = edge!;
    this.bytes = bytes;
    this.places = packetsOf(bytes, VIDEO_PID);
    const [first] = demux(bytes).videos;
    this.firstTicks = Math.round((first!.dtsMs + first!.ctsMs) * 90);
  }

  /** @param nodes Gets the nodes as they start, to be stopped whatever happens. */
  static async start(nodes: MediaNode[], { hasSound = true, passthrough = false } = {}): Promise<TsScene> {
    const balancer = new FakeBalancer(
      [{ name: "64p", codec: "h264", height: 64, videoBitrate: 100_000, audioBitrate: 64_000 }],
      { passthrough },
    );
    for (let index = 0; index < 3; index += 1) {
      const node = new MediaNode(balancer);
      nodes.push(node);
      await node.start();
    }
    balancer.transcoders = [nodes[1]!];
    const media = hasSound ? [...pictures, ...sound, ...H264, "-c:a", "aac"] : [...pictures, ...H264];
    return new TsScene(balancer, nodes, await makeTs(...media));
  }

  /** Publishes all of it; what each of these nodes serves of it, to its end. */
  async publish(items: readonly DemuxedItem[], servers: readonly MediaNode[]) {
    const { balancer } = this;
    const sink = await this.origin.ingest.authorize(balancer.streamKey, publishInfo());
    await passItems(sink, items.slice(0, 150));
    await balancer.until(() => balancer.jobs.length > 0);
    for (const node of servers) await balancer.assign(node, balancer.deliverySpec());
    await passItems(sink, items.slice(150));
    await sink.end({ clean: true });
    const streams = servers.map((node) => node.delivery.findStream(balancer.slug)!);
    await until(() => streams.every(({ window }) => window.ended));
    return streams;
  }
}
