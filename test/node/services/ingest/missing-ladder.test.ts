import assert from "node:assert/strict";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { MediaNode } from "../../../support/media-network.ts";
import { publishInfo } from "../../../support/publish-items.ts";

const ladder = [{ name: "90p", codec: "h264", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 }] as const;

describe("a publisher whose codec is only made into rungs", () => {
  let node: MediaNode | undefined;

  afterEach(() => node?.stop());

  async function start(balancer: FakeBalancer): Promise<MediaNode> {
    node = new MediaNode(balancer);
    await node.start();
    return node;
  }

  const of = (videoCodec: "h264" | "vp8") => ({ ...publishInfo(), videoCodec });

  it("is refused where the stream has none, and no other publisher of the stream", async () => {
    const balancer = new FakeBalancer([], { passthrough: true });
    const { ingest } = await start(balancer);
    await assert.rejects(ingest.authorize(balancer.streamKey, of("vp8")), codeOf("INGEST_LADDER_MISSING"));
    const ends = () => balancer.of("publish.end").map(({ body }) => [body.clean, body.lastSequence]);
    assert.deepEqual(ends(), [[false, null]]);
    const sink = await ingest.authorize(balancer.streamKey, of("h264"));
    // Nor does it take the place of who publishes.
    await assert.rejects(ingest.authorize(balancer.streamKey, of("vp8")), codeOf("INGEST_LADDER_MISSING"));
    assert.equal(ends().length, 1);
    await sink.audio({ dtsMs: 0, data: Uint8Array.of(1) });
    await sink.end({ clean: true });
  });

  it("gives its place back where the node cannot take its job, and tells why", async () => {
    const balancer = new FakeBalancer(ladder, { passthrough: true });
    const { ingest } = await start(balancer);
    const other = new MediaNode(balancer);
    await other.start();
    const { stream, slug } = balancer;
    balancer.grant = { terms: await balancer.terms(other, { stream, slug, primitive: "ingest" }) };
    await assert.rejects(ingest.authorize(balancer.streamKey, of("h264")), codeOf("JOB_QUOTE_WRONG"));
    await other.stop();
    const ends = balancer.of("publish.end").map(({ body }) => [body.stream, body.clean, body.lastSequence]);
    assert.deepEqual(ends, [[stream, false, null]]);
  });

  it("is let in where the stream has some", async () => {
    const balancer = new FakeBalancer(ladder, { passthrough: true });
    const { ingest } = await start(balancer);
    await (await ingest.authorize(balancer.streamKey, of("vp8"))).end({ clean: true });
  });
});
