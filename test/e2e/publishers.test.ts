import assert from "node:assert/strict";
import { buyerOf, createSoon } from "../../scripts/network/demo.ts";
import { type CreatedStream, getStream, listJobs, rotateStreamKey } from "../../sdk/client/actions/streams.ts";
import type { LadderRequest } from "../../sdk/protocol/job.ts";
import { PublishError } from "../../transcoder/tools/publish-error.ts";
import { type Publisher, publish } from "../../transcoder/tools/publisher.ts";
import { RtmpPublisher } from "../../transcoder/tools/rtmp-client.ts";
import { TestNetwork } from "../support/e2e-network.ts";
import { waitFor, whenListed, whenPlayable } from "../support/e2e-stream.ts";

const GRACE_MS = 6_000;
const LIMIT_MS = 30_000;
/** The first byte of a picture of Sorenson's codec, a key frame. */
const SORENSON = 0x12;
const VIDEO = 9;

const ladder: LadderRequest = [
  { name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
];

describe("publishers of a network", function () {
  this.timeout(120_000);
  let network: TestNetwork;
  let created: CreatedStream;
  let publisher: Publisher | undefined;

  before(async () => {
    network = await TestNetwork.start({
      adjust: (name, config) =>
        name === "balancer"
          ? { ...config, balancer: { ...Object(config.balancer), reconnectGraceMs: GRACE_MS } }
          : config,
    });
  });
  after(() => network?.stop());
  beforeEach(async () => {
    const token = network.economy.deployment.tokens.USDC;
    const request = { ladder, passthrough: true, token, unsignedBudgetBytes: 1_000_000_000n };
    created = await createSoon(buyerOf(network), request);
  });
  afterEach(() => publisher?.kill());

  it("may correct what they send where nothing of it was taken, at once at the same node", async () => {
    await beRefused();
    // Their place is theirs: nobody is told that somebody else publishes.
    await beRefused();
    await waitFor("the stream to be as it was made", LIMIT_MS, async () => {
      const { state } = await getStream(buyerOf(network), created.id);
      return state === "created" || undefined;
    });
    // Its owner, who may be somebody else, is told why nothing came.
    assert.deepEqual(await ownerIsTold(), ["ingest RTMP_CODEC_UNSUPPORTED"]);
    const [ingest] = await listJobs(buyerOf(network), created.id);
    assert.deepEqual([ingest?.part, ingest?.attempts.length], ["ingest", 1]);
    publisher = begin(created.ingestUrls);
    await whenPlayable(network, created);
    assert.deepEqual(await ownerIsTold(), []);
  });

  async function ownerIsTold(): Promise<string[]> {
    const { refusals } = await getStream(buyerOf(network), created.id);
    return refusals.map(({ part, code }) => `${part} ${code}`);
  }

  async function beRefused(): Promise<void> {
    const wrong = await RtmpPublisher.open(created.ingestUrls[0]!);
    await wrong.send(VIDEO, 0, Uint8Array.of(SORENSON, 0, 0, 0, 0));
    const refusal = await waitFor("it to be refused", LIMIT_MS, async () => wrong.failed);
    assert.ok(isRefusal("RTMP_CODEC_UNSUPPORTED")(refusal), `${refusal}`);
  }

  it("may stop before anything came, and begin at once at the same node", async () => {
    const [url] = created.ingestUrls;
    const early = await RtmpPublisher.open(url!);
    await early.unpublish();
    publisher = begin([url!]);
    await publisher.started;
    const { primary } = await whenPlayable(network, created);
    const { renditions } = await getStream(buyerOf(network), created.id);
    assert.ok(renditions.some(({ name }) => name === "120p"));
    await whenListed(primary.hls, 1);
  });

  it("are cut off where their key is revoked, and make room for one who has the new one", async () => {
    publisher = begin(created.ingestUrls.slice(0, 1));
    await whenPlayable(network, created);
    const { streamKey } = await rotateStreamKey(buyerOf(network), created.id, true);
    await assert.rejects(publisher.done, isRefusal("INGEST_LEASE_LOST"));
    const old = begin(created.ingestUrls);
    await assert.rejects(old.done, isRefusal("STREAM_KEY_UNKNOWN"));
    const urls = created.ingestUrls.map((url) => url.replace(created.streamKey, streamKey));
    publisher = begin(urls);
    await publisher.started;
    await waitFor("the stream to go on", LIMIT_MS, async () => {
      const { health, state } = await getStream(buyerOf(network), created.id);
      return (state === "live" && health !== null) || undefined;
    });
  });

  function begin(urls: readonly string[]): Publisher {
    const pattern = { width: 320, height: 180, fps: 15, durationS: 20 };
    return publish({ urls, inputs: [{ pattern }], loop: true, reconnect: false });
  }
});

function isRefusal(code: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof PublishError && error.detail.code === "PUBLISH_REFUSED" && error.detail.description === code;
}
