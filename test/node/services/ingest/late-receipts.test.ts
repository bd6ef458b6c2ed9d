import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { between } from "../../../support/edge-tree-scene.ts";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { MediaNode, type NodeFaults } from "../../../support/media-network.ts";
import { at } from "../../../support/media-path-scene.ts";
import { publishInfo, publishItems } from "../../../support/publish-items.ts";

const rung = { name: "120p", codec: "h264", height: 120, videoBitrate: 200_000, audioBitrate: 64_000 } as const;
const segments = 7;

describe("receipts that come when their source is gone", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];
  let balancer: FakeBalancer;
  let items: MediaItem[];

  before(async () => {
    items = await readMedia({ pattern: { width: 320, height: 240, fps: 30, durationS: 2 * segments } });
  });
  beforeEach(() => {
    balancer = new FakeBalancer([rung]);
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });
  async function startNode(faults?: NodeFaults): Promise<MediaNode> {
    const node = new MediaNode(balancer, faults);
    nodes.push(node);
    await node.start();
    return node;
  }

  /**
   * A stream of which `pictures` are published before its transcoder's first receipt is let through. Its origin keeps the
   * source of the newest segment alone.
   */
  async function publishBehind(pictures: number) {
    const [shown, freed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const events = new EventEmitter<{ sent: [] }>();
    let late = 0;
    const note = (message: MediaMessage) => {
      if (message.type === "verdict" && !message.ok) late += 1;
      events.emit("sent");
      return message;
    };
    const onLink = (link: MediaConnection): MediaConnection => ({
      ...between(link, note),
      messages: { [Symbol.asyncIterator]: () => holdReceipts(link.messages, shown.resolve, freed.promise) },
    });
    const transcoder = await startNode();
    const origin = await startNode({ onLink, ingestOptions: { sourceBytes: 1 } });
    balancer.transcoders = [transcoder];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, items.slice(0, at(items, 50)));
    await shown.promise;
    await publishItems(sink, items.slice(at(items, 50), at(items, pictures)));
    freed.resolve();
    const untilLate = async (count: number) => {
      while (late < count) await once(events, "sent");
    };
    return { sink, transcoder, untilLate };
  }

  it("are judged where viewers have the segment, and pay for nothing that nobody was shown", async () => {
    const { sink } = await publishBehind(60 * segments - 1);
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    const checks = balancer.of("check.submit").map(({ body }) => body.check.value);
    assert.ok(checks.every(({ verdict }) => verdict === checkVerdicts.passed));
    const passed = checks.map(({ seq }) => Number(seq));
    assert.ok(passed.includes(0), `only ${passed}`);
    assert.ok(passed.length < segments, `${passed}`);
    assert.deepEqual(balancer.of("job.failed"), []);
  });

  it("are why a transcoder stops at its credit limit, and it says so", async () => {
    const { sink, transcoder, untilLate } = await publishBehind(60 * (segments - 1) - 10);
    await untilLate(3);
    transcoder.mayWork = "CREDIT_EXHAUSTED";
    await publishItems(sink, items.slice(at(items, 60 * (segments - 1) - 10)));
    await balancer.until(() => balancer.of("job.failed").length > 0);
    assert.deepEqual(
      balancer.of("job.failed").map(({ body }) => body.code),
      ["TRANSCODING_TOO_LATE"],
    );
  });
});

/** `shown`: a picture was taken. */
async function* holdReceipts(
  messages: AsyncIterable<MediaMessage>,
  shown: () => void,
  freed: Promise<void>,
): AsyncGenerator<MediaMessage> {
  for await (const message of messages) {
    if (message.type === "receipt") await freed;
    yield message;
    if (message.type === "frame") shown();
  }
}
