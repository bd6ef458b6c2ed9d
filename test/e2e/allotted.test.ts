import assert from "node:assert/strict";
import { buyerOf } from "../../scripts/network/demo.ts";
import { getCollectStatus, listCollections } from "../../sdk/client/actions/account.ts";
import { getAllotment } from "../../sdk/client/actions/signers.ts";
import { ApiError, createStream, getStream } from "../../sdk/client/actions/streams.ts";
import { addWebhook } from "../../sdk/client/actions/webhooks.ts";
import { createClient } from "../../sdk/client/create-client.ts";
import { assertPaid, settle } from "../support/e2e-facts.ts";
import { TestNetwork, testLadder } from "../support/e2e-network.ts";
import { whenListed } from "../support/e2e-stream.ts";
import { WebhookReceiver } from "../support/webhook-receiver.ts";

const inputs = [{ pattern: { width: 320, height: 180, fps: 30, durationS: 10 } }];
const ladder = testLadder.filter(({ name }) => name === "180p");
/** LPT's is far below what a stream begins with, whatever stands in reserve. */
const caps = { USDC: 10_000_000n, LPT: 1_000_000_000_000n };

describe("a buyer's agent that signs by an allotted key", function () {
  this.timeout(240_000);
  let network: TestNetwork;

  const told = new WebhookReceiver();

  before(async () => {
    await told.start();
    network = await TestNetwork.start({
      caps,
      adjust: (name, config) =>
        name === "balancer"
          ? // A thousand years: whoever spends is running out of money.
            { ...config, webhooks: { allowPrivate: true }, runway: { lookEveryMs: 500, warnBelowMs: 3.2e13 } }
          : config,
    });
  });

  after(async () => {
    await network?.stop();
    await told.stop();
  });

  it("publishes and pays for the cold account, which is collected from on chain", async () => {
    const { deployment, clusterAccount } = network.economy;
    const client = createClient({ rpcUrl: network.chain.rpcUrl, deployment });
    const agent = network.key("buyer").address;
    const channel = { payer: network.buyer, payee: clusterAccount, token: deployment.tokens.USDC };
    await addWebhook(buyerOf(network), { url: told.url, secret: told.secret });
    const stream = await network.publish({ ladder, inputs, publish: { loop: true } });
    const { primary } = await stream.playback(1);
    await whenListed(primary.hls, 1);
    await stream.publisher.stop();
    await settle(network, stream, 120_000);
    assert.equal((await getStream(stream.caller, stream.created.id)).endCode, "STREAM_ENDED");
    await assertPaid(network);
    // Its owner was told of all that, by the balancer's queue.
    const [started, low, ended] = await Promise.all(
      (["stream.started", "balance.low", "stream.ended"] as const).map((type) => told.first(type)),
    );
    assert.deepEqual(
      [started, ended].map((event) => event?.data.stream),
      [stream.created.id, stream.created.id],
    );
    assert.deepEqual([low?.data.state, low?.data.token], ["low", deployment.tokens.USDC.toLowerCase()]);
    const { cap } = await getAllotment(client, { ...channel, signer: agent });
    const { collected } = await getCollectStatus(client, channel);
    assert.deepEqual([cap, collected > 0n && collected < cap], [caps.USDC, true]);
    const payers = new Set((await listCollections(client)).map(({ payer }) => payer));
    assert.deepEqual([payers.has(network.buyer), payers.has(agent)], [true, false]);

    // Fifty LPT stand in reserve; the key may sign for less than a stream begins with.
    await assert.rejects(
      createStream(stream.caller, { ladder, token: deployment.tokens.LPT }),
      (error) => error instanceof ApiError && "reason" in error.detail && error.detail.reason === "BUYER_UNFUNDED",
    );
  });
});
