import assert from "node:assert/strict";
import { inspect } from "node:util";
import { createPublicClient } from "viem";
import { RpcPool, type RpcPoolOptions } from "../../../node/chain/rpc-pool.ts";
import { type Clock, systemClock } from "../../../node/kernel/clock.ts";
import { createMetrics, type Metrics } from "../../../node/kernel/metrics.ts";
import type { LogFields } from "../../../sdk/base/logger.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { openRpcProxy, type RpcProxy } from "../../support/rpc-proxy.ts";

describe("rpc pool", function () {
  this.timeout(30_000);
  let anvil: AnvilChain;
  let first: RpcProxy;
  let second: RpcProxy;
  let logged: string[];
  let metrics: Metrics;
  before(async () => {
    anvil = await openAnvil();
  });
  after(() => anvil?.close());
  beforeEach(async () => {
    [first, second] = await Promise.all([openRpcProxy(anvil.rpcUrl), openRpcProxy(anvil.rpcUrl)]);
    logged = [];
    metrics = createMetrics();
  });
  afterEach(async () => {
    await Promise.all([first.close(), second.close()]);
    metrics.close();
  });

  const open = async (more: Partial<RpcPoolOptions> = {}, clock: Clock = systemClock) => {
    const note = (message: string, fields?: LogFields) => void logged.push(`${message} ${inspect(fields)}`);
    const logger = { ...silentLogger, debug: note, warn: note, error: note };
    const pool = new RpcPool(
      { clock, logger, metrics },
      {
        urls: [first, second].map(({ url }) => `${url}/v2/api-key-of-mine`),
        chainId: anvil.deployment.chainId,
        timeoutMs: 400,
        requestsPerSecond: 1_000,
        maxRestMs: 1_000,
        maxLagBlocks: 5,
        compareEveryMs: 600_000,
        ...more,
      },
    );
    await pool.connect();
    return pool;
  };
  const balance = { method: "eth_getBalance", params: [`0x${"11".repeat(20)}`, "latest"] };
  const all = Number.POSITIVE_INFINITY;

  for (const fault of [
    { kind: "stall" },
    { kind: "drop" },
    { kind: "error", code: -32_603, message: "internal" },
    { kind: "error", code: -32_000, message: "header not found" },
    { kind: "status", status: 500 },
    { kind: "status", status: 401 },
    { kind: "status", status: 429 },
  ] as const) {
    it(`asks the next endpoint when one answers with ${Object.values(fault).join(" ")}`, async () => {
      const pool = await open();
      const rule = first.fault("eth_getBalance", fault);
      assert.equal(await pool.request(balance), "0x0");
      assert.deepEqual([rule.hits, second.count("eth_getBalance")], [1, 1]);
    });
  }

  it("leaves a failing endpoint alone, longer each time, and asks for its chain before it uses it again", async () => {
    const clock = new ManualClock();
    const pool = await open({}, clock);
    const rule = first.fault("*", { kind: "drop" });
    await pool.request(balance);
    const hits = rule.hits;
    for (let at = 0; at < 5; at += 1) await pool.request(balance);
    assert.equal(rule.hits, hits);
    await clock.advance(250);
    await pool.request(balance);
    assert.equal(rule.hits, hits + 1);
    // The second rest lasts at least 250 ms of the 500 that it may.
    await clock.advance(249);
    await pool.request(balance);
    assert.equal(rule.hits, hits + 1);
    rule.remove();
    await clock.advance(300);
    const asked = first.count("eth_chainId");
    await pool.request(balance);
    assert.deepEqual([first.count("eth_chainId"), first.calls.at(-1)?.method], [asked + 1, "eth_getBalance"]);
  });

  it("waits as long as a busy endpoint asks for", async () => {
    const clock = new ManualClock();
    const pool = await open({}, clock);
    const busy = { kind: "status", status: 429, headers: { "retry-after": "7" } } as const;
    const rule = first.fault("eth_getBalance", busy, { times: 1 });
    await pool.request(balance);
    await clock.advance(6_999);
    await pool.request(balance);
    assert.equal(first.count("eth_getBalance"), 1);
    await clock.advance(1);
    await pool.request(balance);
    assert.deepEqual([first.count("eth_getBalance"), rule.hits], [2, 1]);
  });

  it("asks one endpoint no more often than its rate, and the next for the rest", async () => {
    const pool = await open({ requestsPerSecond: 10 }, new ManualClock());
    await Promise.all(Array.from({ length: 10 }, () => pool.request(balance)));
    assert.deepEqual([first.count("eth_getBalance"), second.count("eth_getBalance")], [10, 0]);
    for (let at = 0; at < 5; at += 1) await pool.request(balance);
    assert.deepEqual([first.count("eth_getBalance"), second.count("eth_getBalance")], [10, 5]);
  });

  it("never uses an endpoint of another chain, and goes on with the others", async () => {
    first.fault("eth_chainId", { kind: "answer", result: () => "0x5" });
    const pool = await open();
    await pool.request(balance);
    assert.deepEqual([first.count("eth_getBalance"), second.count("eth_getBalance")], [0, 1]);
    second.fault("eth_chainId", { kind: "answer", result: () => "0x6" });
    await assert.rejects(open(), { code: "CHAIN_WRONG" });
    first.fault("*", { kind: "drop" });
    second.fault("*", { kind: "drop" });
    await assert.rejects(open(), { code: "CHAIN_UNREACHABLE" });
  });

  const shifted = (blocks: bigint) => (truth: unknown) => `0x${(BigInt(truth as string) + blocks).toString(16)}`;
  const head = { method: "eth_blockNumber" };

  it("leaves out for the head who lags, and for a block who is not known to have it", async () => {
    await anvil.mine(20);
    const behind = shifted(-10n);
    first.fault("eth_blockNumber", { kind: "rewrite", result: behind });
    const third = await openRpcProxy(anvil.rpcUrl);
    try {
      const pool = await open({ urls: [first, second, third].map(({ url }) => url) });
      const truth = await anvil.testClient.request({ method: "eth_blockNumber" as never });
      assert.equal(await pool.request(head), truth);
      const logs = { method: "eth_getLogs", params: [{ fromBlock: "0x1", toBlock: truth }] };
      await pool.request(logs);
      assert.deepEqual([first.count("eth_getLogs"), second.count("eth_getLogs")], [0, 1]);
      // What it has it may be asked for.
      await pool.request({ method: "eth_getLogs", params: [{ fromBlock: "0x1", toBlock: behind(truth) }] });
      assert.equal(first.count("eth_getLogs"), 1);
    } finally {
      await third.close();
    }
  });

  it("follows no endpoint alone to a head that no other has", async () => {
    await anvil.mine(20);
    const truth = await anvil.testClient.request({ method: "eth_blockNumber" as never });
    second.fault("eth_blockNumber", { kind: "rewrite", result: shifted(10n ** 9n) });
    const pool = await open();
    for (let at = 0; at < 3; at += 1) assert.equal(await pool.request(head), truth);
    assert.match(logged.join(" "), /Endpoint is not asked for the head.*endpoint: 1/s);
    // When the first fails the second is all there is.
    first.fault("eth_blockNumber", { kind: "drop" });
    assert.equal(await pool.request(head), shifted(10n ** 9n)(truth));
  });

  it("leaves an endpoint that stands still while the other goes on", async () => {
    const clock = new ManualClock();
    await anvil.mine(1);
    const stuck = await anvil.testClient.request({ method: "eth_blockNumber" as never });
    first.fault("eth_blockNumber", { kind: "rewrite", result: () => stuck });
    const pool = await open({ compareEveryMs: 10_000 }, clock);
    const settle = async () => {
      const compared = second.count("eth_blockNumber");
      await pool.request(head);
      while (second.count("eth_blockNumber") === compared) await new Promise((resolve) => setImmediate(resolve));
      return pool.request(head);
    };
    await anvil.mine(20);
    await clock.advance(30_000);
    assert.equal(await settle(), stuck);
    await anvil.mine(20);
    await clock.advance(31_000);
    await settle();
    const truth = await anvil.testClient.request({ method: "eth_blockNumber" as never });
    assert.equal(await pool.request(head), truth);
  });

  it("passes on what the chain itself answers, and takes no other endpoint for it", async () => {
    const pool = await open();
    first.fault("eth_sendRawTransaction", { kind: "error", code: -32_000, message: "nonce too low" });
    await assert.rejects(
      pool.request({ method: "eth_sendRawTransaction", params: ["0x00"] }),
      (error: { details: string }) => error.details === "nonce too low",
    );
    assert.equal(second.count("eth_sendRawTransaction"), 0);
  });

  it("tells nobody where its endpoints are", async () => {
    const pool = await open();
    const client = createPublicClient({ transport: pool.transport });
    for (const fault of [
      { kind: "drop" },
      { kind: "status", status: 500 },
      { kind: "stall" },
      { kind: "error", code: -32_000, message: "nope" },
    ] as const) {
      const rules = [first, second].map((proxy) => proxy.fault("*", fault, { times: all }));
      const error = await client.getGasPrice().catch((thrown: Error) => thrown);
      const said = `${inspect(error, { depth: 10 })} ${logged.join(" ")}`;
      assert.ok(error instanceof Error);
      assert.doesNotMatch(said, /api-key-of-mine|127\.0\.0\.1|http:/);
      for (const rule of rules) rule.remove();
    }
    assert.ok(logged.length > 0);
  });

  it("counts by an endpoint's place", async () => {
    const pool = await open();
    first.fault("eth_getBalance", { kind: "drop" });
    await pool.request(balance);
    const text = await metrics.render();
    assert.match(text, /leat_chain_rpc_calls_total\{endpoint="0",result="failed"\} 1/);
    assert.match(text, /leat_chain_rpc_calls_total\{endpoint="1",result="answered"\} \d/);
    assert.match(text, /leat_chain_rpc_endpoints_usable 1/);
  });
});
