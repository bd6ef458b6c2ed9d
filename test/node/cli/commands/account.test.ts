import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { erc20Abi } from "viem";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { deposit, reserve, thaw } from "../../../../sdk/client/actions/account.ts";
import { createCluster } from "../../../../sdk/client/actions/cluster.ts";
import { joinOperator } from "../../../../sdk/client/actions/operator.ts";
import type { ClientError } from "../../../../sdk/client/transaction.ts";
import { bytesToHex } from "../../../../sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "../../../support/anvil-chain.ts";
import { writeCliSettings } from "../../../support/cli-settings.ts";
import { openRpcProxy } from "../../../support/rpc-proxy.ts";
import { runLeat } from "../../../support/run-leat.ts";

describe("cli/commands buyer and operator", () => {
  let anvil: AnvilChain;
  let folder: string;
  let key: NodeKey;
  before(async function () {
    this.timeout(60_000);
    anvil = await openAnvil();
    folder = await mkdtemp(join(tmpdir(), "leat-account-"));
    key = await anvil.key(1);
    await writeCliSettings(anvil, folder, { node: key });
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const leat = async (...args: string[]) => {
    const { code, stdout } = await runLeat(...args, "--config", join(folder, "leat.json"), "--json");
    return { code, answer: JSON.parse(stdout) as Record<string, unknown> };
  };

  it("deposits, reserves for a cluster and shows both", async function () {
    this.timeout(90_000);
    await anvil.mint(anvil.deployment.tokens.USDC, key.address, 5_000_000n);
    await createCluster(anvil.client(await anvil.key(2)), { terms: "", balancers: [] });
    const deposited = await leat("buyer", "deposit", "1.25", "USDC", "--cluster", "1");
    assert.equal(deposited.code, 0);
    const { answer, code } = await leat("buyer", "status", "--cluster", "1");
    assert.equal(code, 0);
    const usdc = (answer.tokens as Record<string, unknown>[]).find(({ name }) => name === "USDC")!;
    assert.deepEqual([usdc.wallet, usdc.pool], ["3750000", "0"]);
    assert.equal((usdc.channel as Record<string, unknown>).reserve, "1250000");
    const other = anvil.client(key);
    const elsewhere = { payee: `0x${"e5".repeat(20)}` as const, token: anvil.deployment.tokens.USDC, amount: 300_000n };
    await deposit(other, elsewhere);
    await reserve(other, elsewhere);
    await thaw(other, { ...elsewhere, amount: 100_000n });
    const whole = (await leat("buyer", "status")).answer;
    assert.deepEqual(
      (whole.reserves as Record<string, unknown>[]).map((one) => [one.reserve, one.thawing]),
      [
        ["1250000", "0"],
        ["200000", "100000"],
      ],
    );
    const { url: _url, ...told } = whole.agent as Record<string, unknown>;
    assert.deepEqual(told, { answered: false, reason: "cannot be reached (bad port)" });
    const short = await leat("buyer", "deposit", "99", "USDC");
    const error = short.answer.error as Record<string, unknown>;
    assert.deepEqual([short.code, error.code, error.found], [1, "CLIENT_BALANCE_SHORT", "3450000"]);
    assert.match(String(error.message), /^the account has 3\.45 USDC, and 99 are needed; /);
  });

  it("sends and allows nothing where the network's file names a contract that is not there", async function () {
    this.timeout(30_000);
    const escrow = `0x${"57".repeat(20)}` as const;
    const deployment = { ...anvil.deployment, escrow };
    const client = { ...anvil.client(key), deployment };
    const { USDC } = anvil.deployment.tokens;
    const absent = { code: "CLIENT_CONTRACT_ABSENT", contract: "escrow", address: escrow };
    await assert.rejects(deposit(client, { token: USDC, amount: 1_000n }), ({ detail }: ClientError) => {
      assert.deepEqual(detail, absent);
      return true;
    });
    const allowance = { address: USDC, abi: erc20Abi, functionName: "allowance", args: [key.address, escrow] } as const;
    assert.equal(await client.publicClient.readContract(allowance), 0n);
    const wrong = join(folder, "wrong");
    await mkdir(wrong);
    await writeCliSettings({ ...anvil, deployment }, wrong, { node: key });
    for (const words of [
      ["buyer", "deposit", "1", "USDC"],
      ["buyer", "status"],
      ["operator", "status"],
    ]) {
      const { code, stdout } = await runLeat(...words, "--config", join(wrong, "leat.json"), "--json");
      const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
      assert.deepEqual([code, error.code, error.address], [1, "CLIENT_CONTRACT_ABSENT", escrow]);
    }
  });

  it("takes no address for a token's where none answers as one", async () => {
    for (const token of [`0x${"11".repeat(20)}`, anvil.deployment.escrow]) {
      const { code, answer } = await leat("buyer", "deposit", "1", token);
      const error = answer.error as Record<string, unknown>;
      assert.deepEqual([code, error.code, error.token], [1, "CLIENT_TOKEN_UNKNOWN", token]);
    }
  });

  it("says what the chain's endpoint refuses, and does not call that away", async () => {
    const proxy = await openRpcProxy(anvil.rpcUrl);
    try {
      proxy.fault("eth_getLogs", { kind: "error", code: -32_602, message: "query returns too much" });
      const { code, answer } = await leat("buyer", "status", "--chain.rpcUrls", proxy.url);
      const { code: said, reason } = answer.error as Record<string, unknown>;
      assert.deepEqual([code, said, reason], [1, "CHAIN_CALL_REFUSED", "query returns too much"]);
    } finally {
      await proxy.close();
    }
  });

  it("says that the chain does not answer, or is another, in a line without the endpoint's address", async function () {
    this.timeout(30_000);
    const gone = await leat("buyer", "status", "--chain.rpcUrls", "http://127.0.0.1:1/key-of-mine");
    const error = gone.answer.error as Record<string, unknown>;
    assert.deepEqual([gone.code, error.code, error.method], [1, "CHAIN_UNREACHABLE", "eth_chainId"]);
    assert.ok(!JSON.stringify(gone.answer).includes("key-of-mine"));
    const proxy = await openRpcProxy(anvil.rpcUrl);
    try {
      proxy.fault("eth_chainId", { kind: "answer", result: () => "0x5" });
      const other = await leat("buyer", "status", "--chain.rpcUrls", proxy.url);
      const { message: _, ...facts } = other.answer.error as Record<string, unknown>;
      assert.deepEqual(facts, { code: "CHAIN_WRONG", wanted: 31_337, found: 5 });
    } finally {
      await proxy.close();
    }
  });

  it("asks the cluster alone for what the cluster knows, whatever the chain does", async function () {
    this.timeout(30_000);
    const nobody = ["--chain.rpcUrls", "http://127.0.0.1:1", "--purchases.clusterUrl", "http://127.0.0.1:1"];
    for (const command of [["list"], ["show", "north-wind"]]) {
      const { answer } = await leat("stream", ...command, ...nobody);
      assert.equal((answer.error as Record<string, unknown>).code, "API_UNREACHABLE", command.join(" "));
    }
  });

  it("allots another key its channel, shows it, and takes that back", async function () {
    this.timeout(180_000);
    const agent = await anvil.key(7);
    const balancer = await anvil.key(8);
    const owner = anvil.client(await anvil.key(9));
    const { cluster, account } = await createCluster(owner, { terms: "", balancers: [balancer.signer] });
    const of = ["--cluster", String(cluster)];
    const prove = async (from: NodeKey, name: string) => {
      const keyFile = join(folder, `${name}.key`);
      await writeFile(keyFile, `${bytesToHex(from.secret)}\n`, { mode: 0o600 });
      const { answer } = await leat("buyer", "prove", "--for", key.address, "--node.keyFile", keyFile);
      const proofFile = join(folder, `${name}.proof`);
      await writeFile(proofFile, JSON.stringify(answer));
      return proofFile;
    };
    const proof = await prove(agent, "agent");
    const allot = (...args: string[]) => leat("buyer", "allot", ...of, "--cap", "2.5", "--days", "30", ...args);
    const wrong = [
      [["--signer", agent.address, "--proof", join(folder, "none")], "CLI_PROOF_UNREADABLE"],
      [["--signer", balancer.address, "--proof", proof], "CLI_PROOF_OF_ANOTHER"],
      [["--signer", agent.address, "--proof", proof, "--days", "401"], "CLI_USAGE"],
      [["--signer", agent.address, "--proof", proof, "--cap", "-1"], "UNITS_AMOUNT_INVALID"],
    ] as const;
    for (const [args, code] of wrong) {
      assert.equal(((await allot(...args)).answer.error as { code: string }).code, code);
    }
    const made = await allot("--signer", agent.address, "--proof", proof);
    assert.deepEqual([made.code, made.answer.cap, made.answer.isCluster], [0, "2500000", false]);
    const own = await allot("--signer", balancer.address, "--proof", await prove(balancer, "balancer"));
    assert.equal(own.answer.isCluster, true);
    const shown = async (flags = of) => {
      const { answer } = await leat("buyer", "status", ...flags);
      return (answer.signers as Record<string, unknown>[]).map((one) => [
        one.signer,
        one.payee,
        one.cap,
        one.ended,
        one.isCluster,
      ]);
    };
    const kept = [balancer.address, account, "2500000", false, true];
    assert.deepEqual(await shown(), [[agent.address, account, "2500000", false, false], kept]);
    assert.ok((await shown([])).some((one) => isDeepStrictEqual(one, kept)));
    const revoked = await leat("buyer", "revoke", "--signer", agent.address, ...of);
    assert.equal(revoked.code, 0);
    assert.deepEqual(await shown(), [[agent.address, account, "2500000", true, false], kept]);
  });

  it("shows whose node it is and what it earned", async function () {
    this.timeout(30_000);
    const nobody = await leat("operator", "status");
    assert.deepEqual([nobody.code, nobody.answer.operator], [0, null]);
    const operator = await anvil.key(3);
    await anvil.mint(anvil.deployment.tokens.LPT, operator.address, 200n * 10n ** 18n);
    const input = { stake: 150n * 10n ** 18n, node: key.signer, endpoint: "http://127.0.0.1/offer" };
    await joinOperator(anvil.client(operator), input);
    const { answer } = await leat("operator", "status");
    assert.equal((answer.operator as Record<string, unknown>).operator, operator.address);
    assert.deepEqual(
      (answer.earned as Record<string, unknown>[]).map(({ name, collected }) => [name, collected]),
      [
        ["LPT", "0"],
        ["USDC", "0"],
      ],
    );
  });
});
