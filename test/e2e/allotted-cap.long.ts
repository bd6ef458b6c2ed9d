import assert from "node:assert/strict";
import { getCollectStatus } from "../../sdk/client/actions/account.ts";
import { ApiError, createStream, getStream } from "../../sdk/client/actions/streams.ts";
import { createClient } from "../../sdk/client/create-client.ts";
import { PublishError } from "../../transcoder/tools/publish-error.ts";
import { assertPaid, settle } from "../support/e2e-facts.ts";
import { TestNetwork, testLadder } from "../support/e2e-network.ts";

const inputs = [{ pattern: { width: 320, height: 180, fps: 30, durationS: 10 } }];
const ladder = testLadder.filter(({ name }) => name === "180p");
/** LPT's is a little more than the credit for 70 s of work, which is the least that a stream begins with. */
const caps = { USDC: 10_000_000n, LPT: 1_060_000_000_000_000n };

describe("a buyer's agent whose allotted key reaches its cap", function () {
  this.timeout(400_000);
  let network: TestNetwork;

  before(async () => {
    network = await TestNetwork.start({
      caps,
      // What a stream is quoted is what it costs when nobody but the agent looks on.
      adjust: (name, config) => (name === "balancer" ? { ...config, balancer: { deliveryViewers: 1 } } : config),
    });
  });
  after(() => network?.stop());

  it("has its stream stopped in time, so that all that was done is paid", async () => {
    const { deployment, clusterAccount } = network.economy;
    const stream = await network.publish({
      ladder,
      inputs,
      token: "LPT",
      at: ["node-b"],
      publish: { loop: true, reconnect: false },
    });
    await assert.rejects(stream.publisher.done, PublishError);
    await settle(network, stream);
    assert.equal((await getStream(stream.caller, stream.created.id)).endCode, "STREAM_SIGNER_SPENT");
    await assertPaid(network);
    const client = createClient({ rpcUrl: network.chain.rpcUrl, deployment });
    const token = deployment.tokens.LPT;
    const { collected } = await getCollectStatus(client, { payer: network.buyer, payee: clusterAccount, token });
    assert.ok(collected > caps.LPT / 2n && collected <= caps.LPT, `${collected} of ${caps.LPT}`);
    await assert.rejects(
      createStream(stream.caller, { ladder, token }),
      (error) => error instanceof ApiError && "reason" in error.detail && error.detail.reason === "BUYER_UNFUNDED",
    );
  });
});
