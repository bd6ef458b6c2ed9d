import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeFunctionData, type Hex, keccak256, parseEther, size, toHex } from "viem";
import { connectChain, createWallet } from "../../../node/chain/clients.ts";
import { type Collectable, collectCall, collectForCall } from "../../../node/chain/contracts.ts";
import { type DataFeeKind, gasPriceOracle, LEAST_GAS_PER_BYTE } from "../../../node/chain/data-fee.ts";
import { gasOf } from "../../../node/chain/gas.ts";
import { ChainSender, defaultSenderOptions } from "../../../node/chain/sender.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import type { NodeKey } from "../../../node/kernel/keys.ts";
import { decideToCollect } from "../../../node/metering/collect-rule.ts";
import { LevelCheckpointStore } from "../../../node/store/checkpoints.ts";
import { Database } from "../../../node/store/database.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import { developmentTokenAbi } from "../../../sdk/protocol/abi/development-token.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";
import { openRpcProxy, type RpcProxy } from "../../support/rpc-proxy.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
const DEPTH = 1;
/** Wei for a byte, in place of the oracle's formula: what is asked for times this. */
const WEI_PER_BYTE = 2n ** 50n;
/** PUSH1 4, CALLDATALOAD, PUSH7 the price, MUL, PUSH0, MSTORE; returns that word. */
const oracleCode = `0x60043566${WEI_PER_BYTE.toString(16).padStart(14, "0")}025f5260205ff3` as const;

describe("data fee of a rollup", function () {
  this.timeout(60_000);
  let anvil: AnvilChain;
  let proxy: RpcProxy;
  let key: NodeKey;
  let folder: string;
  let keys = 700;
  const closing: (() => Promise<void>)[] = [];

  before(async () => {
    anvil = await openAnvil();
    anvil.keepMining(20);
    proxy = await openRpcProxy(anvil.rpcUrl);
    folder = await mkdtemp(join(tmpdir(), "leat-data-fee-"));
  });
  beforeEach(async () => {
    keys += 1;
    key = await anvil.key(keys);
    await anvil.testClient.setCode({ address: gasPriceOracle, bytecode: oracleCode });
  });
  afterEach(async () => {
    proxy.heal();
    for (const close of closing.splice(0).reverse()) await close();
  });
  after(async () => {
    await proxy?.close();
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const connect = (dataFee: DataFeeKind) =>
    connectChain(
      { rpcUrls: [proxy.url], confirmedDepth: DEPTH, pollMs: 20, callTimeoutMs: 2_000, dataFee },
      anvil.deployment.chainId,
    );
  const openSender = async (dataFee: DataFeeKind, dailyBudget = parseEther("1")) => {
    const clients = await connect(dataFee);
    const database = await Database.open(join(folder, String(keys)));
    closing.push(() => database.close());
    const sender = new ChainSender(
      {
        ...quiet,
        publicClient: clients.publicClient,
        dataFee: clients.dataFee,
        wallet: createWallet(clients, key.secret),
        facts: new LevelCheckpointStore(database),
      },
      {
        ...defaultSenderOptions,
        confirmedDepth: DEPTH,
        lookEveryMs: 20,
        limits: { ...defaultSenderOptions.limits, dailyBudget },
      },
    );
    closing.push(() => sender.stop());
    await sender.start();
    return sender;
  };
  const mint = () =>
    ({
      address: anvil.deployment.tokens.USDC,
      abi: developmentTokenAbi,
      functionName: "mint",
      args: [key.address, 1n],
    }) as const;

  it("is in the price of gas where the network says that there is one", async () => {
    const [plain, rollup] = await Promise.all([connect("included"), connect("op-stack")]);
    const prices = [gasOf(plain.publicClient, plain.dataFee), gasOf(rollup.publicClient, rollup.dataFee)];
    const [without, withData] = await Promise.all(prices.map((gas) => gas.gasPrice()));
    // A little more than a byte's price by the bytes of a gas: what stands around the data is asked for too.
    const data = withData! - without!;
    assert.ok(data >= WEI_PER_BYTE / LEAST_GAS_PER_BYTE, `${data}`);
    assert.ok(data < ((WEI_PER_BYTE / LEAST_GAS_PER_BYTE) * 11n) / 10n, `${data}`);
  });

  it("keeps a claim waiting that gas alone would have let go", async () => {
    const facts = {
      vouchered: 100_000n,
      collected: 0n,
      reserve: 10n ** 9n,
      thawing: 0n,
      jobEnded: true,
      uncollectedForMs: 0,
    };
    const rules = { maxAgeMs: 1e9, maxPostponeMs: 1e9, urgentPpm: 900_000, gasPpm: 100_000, spikePpm: 3_000_000 };
    const usdc = { perNative: 300n * 10n ** 6n, leastAmount: 0n };
    const decisions = [];
    for (const kind of ["included", "op-stack"] as const) {
      const { publicClient, dataFee } = await connect(kind);
      const now =
        kind === "included"
          ? 10n ** 8n
          : 10n ** 8n + (await gasOf(publicClient, dataFee).gasPrice()) - (await publicClient.getGasPrice());
      decisions.push(decideToCollect(facts, 1, { now, usual: now }, usdc, rules));
    }
    assert.deepEqual(decisions, [{ collect: "job-ended" }, { wait: "not-worth-gas" }]);
  });

  it("counts against the day's budget before anything is signed, and by what the receipt says afterwards", async () => {
    const data = encodeFunctionData(mint());
    const dataFee = BigInt(size(data)) * WEI_PER_BYTE;
    const { receipt } = await (await openSender("included")).send(mint());
    const gasCost = receipt.gasUsed * receipt.effectiveGasPrice;
    for (const close of closing.splice(0).reverse()) await close();

    keys += 1;
    key = await anvil.key(keys);
    const poor = await openSender("op-stack", dataFee);
    await assert.rejects(poor.send(mint()), { code: "CHAIN_GAS_BUDGET" });
    assert.equal(proxy.calls.filter(({ method }) => method === "eth_sendRawTransaction").length, 1);
    for (const close of closing.splice(0).reverse()) await close();

    const l1Fee = parseEther("0.01");
    proxy.fault("eth_getTransactionReceipt", {
      kind: "rewrite",
      result: (truth) => (truth === null ? null : { ...(truth as object), l1Fee: toHex(l1Fee) }),
    });
    const rich = await openSender("op-stack");
    const sent = await rich.send(mint());
    const gas = sent.receipt.gasUsed * sent.receipt.effectiveGasPrice;
    assert.ok(gas < l1Fee && gasCost < l1Fee);
    assert.equal(await rich.gasLeft(), parseEther("1") - gas - l1Fee);
  });

  it("is asked for, and nothing is signed, where the chain has no oracle", async () => {
    await anvil.testClient.setCode({ address: gasPriceOracle, bytecode: "0x" });
    const { publicClient, dataFee } = await connect("op-stack");
    await assert.rejects(gasOf(publicClient, dataFee).gasPrice(), { code: "CHAIN_UNREACHABLE" });
    const sender = await openSender("op-stack");
    await assert.rejects(sender.send(mint()), { code: "CHAIN_UNREACHABLE" });
    assert.equal(await sender.gasLeft(), parseEther("1"));
  });

  it("is told by the unit of gas: no call of ours has more data for its gas", async () => {
    const { collect, collectFor } = JSON.parse(
      await readFile(new URL("../../../contracts/snapshots/gas.json", import.meta.url), "utf8"),
    ) as { collect: { credited: Record<string, number> }; collectFor: Record<string, number> };
    const check = (data: Hex, gas: number) => {
      const least = BigInt(size(data)) * LEAST_GAS_PER_BYTE;
      assert.ok(least < BigInt(gas), `${size(data)} bytes for ${gas} gas`);
    };
    for (const [claims, each] of Object.entries(collect.credited)) {
      const call = collectCall(anvil.deployment, vouchers(Number(claims)));
      check(encodeFunctionData(call), each * Number(claims));
    }
    const parties = vouchers(20).map(({ voucher }) => voucher);
    const call = collectForCall(anvil.deployment, 1n, anvil.deployment.tokens.USDC, parties, parties);
    check(encodeFunctionData(call), collectFor["40"]! * 40);
  });

  function vouchers(count: number): Collectable[] {
    return Array.from({ length: count }, (_, at) => {
      const random = (salt: string) => keccak256(toHex(`${salt}${at}`));
      const value = {
        payer: random("payer").slice(0, 42) as Hex,
        payee: anvil.deployment.escrow,
        token: anvil.deployment.tokens.USDC,
        cluster: 0n,
        clusterPpm: 0,
        cumulative: 10n ** 18n,
        seq: 7n,
        usageRoot: random("root"),
      };
      const signature = `${random("r")}7${random("s").slice(3)}1b` as Hex;
      return { voucher: { value, signature }, payerCluster: 0n, payeeCluster: 0n };
    });
  }
});
