import assert from "node:assert/strict";
import { once } from "node:events";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { FakeBalancer, subscriptionOf } from "../../../support/fake-balancer.ts";
import { MediaNode } from "../../../support/media-network.ts";
import { publishInfo, publishItems } from "../../../support/publish-items.ts";

const rung = { name: "120p", codec: "h264", height: 120, videoBitrate: 200_000, audioBitrate: 64_000 } as const;

describe("an attempt that the balancer closed at its origin", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];
  const balancer = new FakeBalancer([rung]);
  let items: MediaItem[];

  before(async () => {
    items = await readMedia({ pattern: { width: 320, height: 240, fps: 30, durationS: 8 } });
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  async function startNode(): Promise<MediaNode> {
    const node = new MediaNode(balancer);
    nodes.push(node);
    await node.start();
    return node;
  }
  const checks = () => balancer.of("check.submit").map(({ body }) => body.check.value);

  /** What an origin answers to who comes for the first attempt again. */
  async function subscribe(node: MediaNode, origin: MediaNode, job: Hex) {
    const terms = await balancer.terms(node, balancer.transcodeSpec("h264"), job, 1);
    const connection = await node.host.openMedia(origin.host.multiaddrs(), origin.address);
    await connection.send(subscriptionOf(terms));
    for await (const message of connection.messages) return message;
    return undefined;
  }

  it("is told apart from one whose results are on their way, and passes no segment more", async () => {
    const [origin, first, second] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [first, second];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    const [begin, rest] = [items.slice(0, items.length / 2), items.slice(items.length / 2)];
    // The results of its checks find nobody, from the first one on.
    await publishItems(sink, begin.slice(0, 40));
    await balancer.until(
      () => balancer.jobs.length > 0 && first.transcoding.sequenceOf(balancer.jobs[0]!.job) !== null,
    );
    const { job } = balancer.jobs[0]!;
    balancer.away = true;
    await publishItems(sink, begin.slice(40));
    while (origin.outbox.countWaiting(`check/${job}/1/`) === 0) await once(balancer.events, "missed");
    const close = (attempt: number) => balancer.ask(origin, "check.close", { stream: balancer.stream, job, attempt });
    assert.ok((await close(1)).waiting > 0);
    assert.deepEqual(await close(0), { waiting: 0 });
    balancer.away = false;
    await origin.outbox.drained();
    assert.deepEqual(await close(1), { waiting: 0 });
    assert.deepEqual(await subscribe(first, origin, job), { type: "refused", code: "INGEST_ATTEMPT_REPLACED" });
    const judged = checks().map(({ seq }) => Number(seq));
    balancer.published.set("h264", Math.max(...judged));
    // The closed attempt's node knows nothing of it and tries on.
    await publishItems(sink, rest);
    await balancer.replaceJob("h264");
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    const by = (attempt: number) => checks().filter((check) => check.attempt === attempt);
    assert.deepEqual(
      by(1).map(({ seq }) => Number(seq)),
      judged,
    );
    const seqs = checks().map(({ seq }) => Number(seq));
    assert.deepEqual([...seqs].sort(), [...new Set(seqs)].sort());
    assert.ok(by(2).length > 0);
    assert.equal(Math.max(...seqs), 3);
  });
});
