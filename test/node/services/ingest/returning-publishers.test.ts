import assert from "node:assert/strict";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { MediaNode } from "../../../support/media-network.ts";
import { publishInfo, publishItems } from "../../../support/publish-items.ts";

describe("a publisher that comes back", () => {
  let balancer: FakeBalancer;
  let node: MediaNode;

  beforeEach(async () => {
    balancer = new FakeBalancer([], { passthrough: true });
    node = new MediaNode(balancer);
    await node.start();
  });
  afterEach(() => node.stop());

  const publish = (key = balancer.streamKey) => node.ingest.authorize(key, publishInfo());
  /** Whether the balancer was told, of each that asked, that nobody publishes here. */
  const told = () => balancer.of("publish.request").map(({ body }) => body.replaces === true);
  const sample = { dtsMs: 0, data: Uint8Array.of(1) };

  it("has its place at once where it was lost here, and by the same key alone", async () => {
    await (await publish()).end({ clean: false });
    await assert.rejects(publish("another-key"), codeOf("STREAM_KEY_UNKNOWN"));
    await publish();
    assert.deepEqual(told(), [false, false, true]);
  });

  it("finds its place free after each loss, and taken while somebody has it", async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      const sink = await publish();
      await sink.audio(sample);
      await sink.end({ clean: false });
    }
    assert.deepEqual(told(), [false, true, true]);
    const last = await publish();
    await publish();
    assert.deepEqual(told(), [false, true, true, true, false]);
    await assert.rejects(async () => last.audio(sample), codeOf("INGEST_PUBLISHER_REPLACED"));
  });

  it("is not pushed out by another that came for the same place", async () => {
    await (await publish()).end({ clean: false });
    const both = await Promise.allSettled([publish(), publish()]);
    const [sink] = both.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const [refusal] = both.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    assert.ok(codeOf("PUBLISH_LEASE_HELD")(refusal), `${refusal}`);
    await sink!.audio(sample);
  });

  it("is told at once that its stream is over, and may begin where nothing of it came", async () => {
    await (await publish()).end({ clean: true });
    const sink = await publish();
    await publishItems(sink, await readMedia({ pattern: { width: 64, height: 48, fps: 10, durationS: 2 } }));
    await sink.end({ clean: true });
    const asked = told().length;
    await assert.rejects(publish(), codeOf("STREAM_ENDED"));
    assert.equal(told().length, asked);
  });
});
