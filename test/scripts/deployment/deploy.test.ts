import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createTestClient,
  createWalletClient,
  encodeFunctionData,
  http,
  parseTransaction,
  publicActions,
  toHex,
} from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { type DeployIo, type DeployResult, deploy } from "../../../scripts/deployment/deploy.ts";
import { parseOptions } from "../../../scripts/deployment/options.ts";
import { accessManagerAbi } from "../../../sdk/protocol/abi/access-manager.ts";
import { type Address, bytesToHex, type Hex } from "../../../sdk/protocol/hex.ts";
import { parseNetwork, requireDeployed } from "../../../sdk/protocol/network.ts";
import { startAnvil } from "../../support/anvil-chain.ts";
import { openRpcProxy, type RpcCall, type RpcProxy } from "../../support/rpc-proxy.ts";
import { randomFrom } from "../../support/seeded-random.ts";

const program = join(import.meta.dirname, "../../../scripts/deployment/main.ts");
const governor: Address = `0x${"a1".repeat(20)}`;
const deployerKey = bytesToHex(
  mnemonicToAccount("test test test test test test test test test test test junk").getHdKey().privateKey!,
);
const deployer = privateKeyToAccount(deployerKey);

describe("scripts/deploy", function () {
  this.timeout(240_000);
  let anvil: { child: ChildProcess; rpcUrl: string };
  let proxy: RpcProxy;
  let dir: string;
  let said: string[];
  const io: DeployIo = { env: {}, say: (line) => said.push(line), confirm: async () => false };

  beforeEach(async () => {
    anvil = await startAnvil();
    proxy = await openRpcProxy(anvil.rpcUrl);
    dir = await mkdtemp(join(tmpdir(), "leat-deploy-"));
    said = [];
    await writeFile(join(dir, "key"), `${deployerKey}\n`, { mode: 0o600 });
    await writeNetwork({});
  });

  afterEach(async () => {
    await proxy.close();
    const ended = once(anvil.child, "exit");
    anvil.child.kill("SIGKILL");
    await ended;
    await rm(dir, { recursive: true, force: true });
  });

  const chain = () =>
    createTestClient({ mode: "anvil", chain: foundry, transport: http(anvil.rpcUrl) }).extend(publicActions);

  async function writeNetwork(fields: Record<string, unknown>): Promise<void> {
    const network = { name: "dev", chainId: 31337, confirmedDepth: 0, rpcUrls: [proxy.url], tokens: null, ...fields };
    await writeFile(join(dir, "dev.json"), JSON.stringify(network));
  }

  const out = () => join(dir, "out.json");
  function argv(...more: string[]): string[] {
    const given = ["--network", join(dir, "dev.json"), "--key", join(dir, "key"), "--out", out()];
    return [...given, "--governor", governor, "--development-tokens", "--yes", ...more];
  }

  function run(...more: string[]): Promise<DeployResult> {
    return runWith(argv(...more));
  }

  async function runWith(args: readonly string[], given: DeployIo = io): Promise<DeployResult> {
    const command = parseOptions(args);
    assert.notEqual(command, "help");
    return await deploy(command as Exclude<typeof command, "help">, given);
  }

  async function refuses(work: Promise<unknown>, wanted: Readonly<Record<string, unknown>>): Promise<void> {
    await assert.rejects(work, ({ detail }: { detail: Record<string, unknown> }) => {
      assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((key) => [key, detail?.[key]])), wanted);
      return true;
    });
  }

  it("killed at any call to the chain, goes on and deploys nothing twice", async () => {
    const { plan } = await run("--dry-run");
    const { seed, next } = randomFrom();
    let kills = 0;
    for (let code: number | null = null; code !== 0; ) {
      // Half of the kills leave a call that the chain never heard of, half one whose answer never came.
      const kind = next() < 0.5 ? "stall" : "dropAnswer";
      // Counted from the first transaction of this run: what comes before changes nothing.
      let left = 1 + Math.floor(next() * 20);
      let isSending = false;
      const isDue = ({ method }: RpcCall) => {
        isSending ||= method === "eth_sendRawTransaction";
        return isSending && --left === 0;
      };
      const rule = proxy.fault("*", { kind }, { times: 1, when: isDue });
      const child = spawn(process.execPath, [program, ...argv()], { stdio: ["ignore", "ignore", "pipe"] });
      let told = "";
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => (told += chunk));
      const ended = once(child, "exit") as Promise<[number | null]>;
      void rule.whenHit().then(() => child.kill("SIGKILL"));
      [code] = await ended;
      rule.remove();
      assert.ok(code === 0 || code === null, `seed ${seed}: ${told}`);
      if (code === null) kills += 1;
    }
    assert.ok(kills >= 4, `seed ${seed}: killed ${kills} times`);
    assert.equal(await chain().getTransactionCount({ address: deployer.address }), plan.steps.length);
    const { deployment } = requireDeployed(parseNetwork(JSON.parse(await readFile(out(), "utf8"))));
    assert.deepEqual({ ...deployment, deployedAtBlock: 0n }, { ...plan.deployment, deployedAtBlock: 0n });
    // Once more changes nothing, and checks all of it again.
    const again = await run();
    assert.equal(again.cost.steps, 0);
    assert.ok(again.checks > 40);
    assert.equal(said.filter((line) => line.endsWith(" gas, sent before)")).length, plan.steps.length);
    assert.equal(await chain().getTransactionCount({ address: deployer.address }), plan.steps.length);
  });

  it("sends with a higher fee what no block takes, and only one of both counts", async () => {
    await chain().setAutomine(false);
    const rule = proxy.fault("eth_sendRawTransaction", { kind: "rewrite", result: (truth) => truth });
    const done = run("--patience", "1");
    // The first transaction is sent, waits for a block that does not come, and is sent again.
    await rule.whenHit(2);
    const sent = proxy.calls.filter(({ method }) => method === "eth_sendRawTransaction").map(({ params }) => params[0]);
    const [first, second] = sent.map((raw) => parseTransaction(raw as Hex));
    assert.equal(second!.maxFeePerGas, (first!.maxFeePerGas! * 125n) / 100n + 1n);
    assert.equal(second!.maxPriorityFeePerGas, (first!.maxPriorityFeePerGas! * 125n) / 100n + 1n);
    await chain().setAutomine(true);
    await chain().mine({ blocks: 1 });
    const { plan } = await done;
    assert.equal(await chain().getTransactionCount({ address: deployer.address }), plan.steps.length);
  });

  it("signs nothing at a higher price than it may, and goes on when gas is cheaper", async () => {
    const when = () => proxy.count("eth_sendRawTransaction") >= 2;
    proxy.fault("eth_maxPriorityFeePerGas", { kind: "answer", result: () => toHex(10n ** 12n) }, { when });
    await refuses(run(), { code: "DEPLOY_FEES_HIGH" });
    assert.equal(await chain().getTransactionCount({ address: deployer.address }), 2);
    proxy.heal();
    await refuses(run("--max-fee-gwei", "0.0001"), { code: "DEPLOY_FEES_HIGH", ceilingWei: 100_000n });
    const { plan } = await run();
    assert.equal(await chain().getTransactionCount({ address: deployer.address }), plan.steps.length);
  });

  it("finds whatever differs from what was planned", async () => {
    const { plan } = await run();
    const { accessManager, escrow, operatorRegistry } = plan.deployment;
    const code = (await chain().getCode({ address: escrow }))!;
    const changed: Hex = `${code.slice(0, 200) as Hex}${code[200] === "0" ? "1" : "0"}${code.slice(201)}`;
    await chain().setCode({ address: escrow, bytecode: changed });
    await refuses(run(), { code: "DEPLOY_CHECK_FAILED", what: `code of PaymentEscrow at ${escrow}` });
    await chain().setCode({ address: escrow, bytecode: code });
    await run();

    const stranger: Address = `0x${"77".repeat(20)}`;
    const snapshot = await chain().snapshot();
    await actAsGovernor(accessManager, operatorRegistry, "setMinimumStake", [1n]);
    await refuses(run(), { code: "DEPLOY_CHECK_FAILED", what: `minimumStake() of ${operatorRegistry}`, found: "1" });
    await chain().revert({ id: snapshot });

    await actAsGovernor(accessManager, accessManager, "grantRole", [2n, stranger, 0]);
    await refuses(run(), { code: "DEPLOY_CHECK_FAILED", what: "holders of roles" });
  });

  /** What only the governor may do, without its two days of waiting: the manager itself is its own authority. */
  async function actAsGovernor(manager: Address, target: Address, name: string, args: readonly unknown[]) {
    const data =
      name === "grantRole"
        ? encodeFunctionData({
            abi: accessManagerAbi,
            functionName: "grantRole",
            args: args as [bigint, Address, number],
          })
        : encodeFunctionData({
            abi: [
              {
                type: "function",
                name,
                inputs: [{ type: "uint256", name: "value" }],
                outputs: [],
                stateMutability: "nonpayable",
              },
            ] as const,
            functionName: name,
            args: args as [bigint],
          });
    const test = chain();
    await test.setBalance({ address: governor, value: 10n ** 19n });
    await test.impersonateAccount({ address: governor });
    const wallet = createWalletClient({ account: governor, chain: foundry, transport: http(anvil.rpcUrl) });
    const call = { address: manager, abi: accessManagerAbi } as const;
    const succeed = async (hash: Hex) => {
      assert.equal((await test.waitForTransactionReceipt({ hash })).status, "success");
    };
    // In its block before time leaps: scheduled after it, it would have to wait once more.
    await succeed(await wallet.writeContract({ ...call, functionName: "schedule", args: [target, data, 0] }));
    await test.increaseTime({ seconds: 2 * 86_400 + 60 });
    await test.mine({ blocks: 1 });
    await succeed(await wallet.writeContract({ ...call, functionName: "execute", args: [target, data] }));
  }

  it("spends nothing before it was told to, and shows what it would cost", async () => {
    await refuses(runWith(argv().filter((arg) => arg !== "--yes")), { code: "DEPLOY_NOT_CONFIRMED" });
    let asked = 0n;
    const yes: DeployIo = {
      ...io,
      confirm: async (_, { gas, feeWei }) => {
        asked = gas * feeWei;
        return true;
      },
    };
    const before = await chain().getBalance({ address: deployer.address });
    await runWith(
      argv().filter((arg) => arg !== "--yes"),
      yes,
    );
    const spent = before - (await chain().getBalance({ address: deployer.address }));
    assert.ok(spent > 0n && spent <= asked, `${spent} of ${asked}`);
  });

  it("refuses what would go wrong before the first transaction", async () => {
    await refuses(run("--governor", deployer.address), { code: "DEPLOY_OPTION_INVALID", option: "--governor" });
    await refuses(run("--guardian", deployer.address), { code: "DEPLOY_OPTION_INVALID", option: "--guardian" });
    await chain().setBalance({ address: deployer.address, value: 10n ** 15n });
    await refuses(run(), { code: "DEPLOY_GAS_SHORT", account: deployer.address.toLowerCase(), foundWei: 10n ** 15n });
    await chain().setBalance({ address: deployer.address, value: 10n ** 20n });

    await writeNetwork({ chainId: 42161 });
    await refuses(run(), { code: "DEPLOY_CHAIN_WRONG", wanted: 42161, found: 31337 });
    await writeNetwork({ rpcUrls: [] });
    await refuses(run(), { code: "DEPLOY_RPC_MISSING" });
    await writeNetwork({ rpcUrls: ["http://127.0.0.1:9"] });
    await refuses(run(), { code: "DEPLOY_RPC_UNREACHABLE", method: "eth_chainId" });
    const env = { LEAT_CHAIN_RPC_URLS: proxy.url };
    assert.equal((await runWith(argv("--dry-run"), { ...io, env })).file, undefined);

    const [USDC, stake] = [`0x${"c5".repeat(20)}`, { token: `0x${"c5".repeat(20)}`, minimum: "0" }];
    await writeNetwork({ tokens: { USDC }, stake });
    await refuses(run(), { code: "DEPLOY_OPTION_INVALID", option: "--development-tokens" });
    const official = argv().filter((arg) => arg !== "--development-tokens");
    await refuses(runWith(official), { code: "DEPLOY_TOKEN_WRONG", reason: "no contract stands there" });
    await writeNetwork({});
    await refuses(runWith(official), { code: "DEPLOY_OPTION_MISSING", option: "--development-tokens" });

    await writeFile(out(), "{}");
    await refuses(run(), { code: "DEPLOY_FILE_EXISTS", path: out() });
    await rm(out());
    assert.equal(await chain().getTransactionCount({ address: deployer.address }), 0);
    assert.equal(existsSync(`${out()}.journal`), false);
  });

  it("does not go on with other options, and not after the deployer's key did something else", async () => {
    proxy.fault("eth_sendRawTransaction", { kind: "error", code: -32000, message: "no" });
    await refuses(run(), { code: "DEPLOY_REFUSED", step: "deploy AccessManager" });
    proxy.heal();
    await refuses(run("--thaw", "3600"), { code: "DEPLOY_PLAN_CHANGED" });
    const wallet = createWalletClient({ account: deployer, chain: foundry, transport: http(anvil.rpcUrl) });
    await wallet.sendTransaction({ to: governor, value: 1n });
    await refuses(run(), { code: "DEPLOY_NONCE_TAKEN", step: "deploy AccessManager", nonce: 0 });
    await run("--out", join(dir, "other.json"));
    await writeNetwork(JSON.parse(await readFile(join(dir, "other.json"), "utf8")));
    await refuses(run(), { code: "DEPLOY_ALREADY_DEPLOYED", name: "dev" });
  });

  it("sends again what a reorganisation took out of its block", async () => {
    await writeNetwork({ confirmedDepth: 2 });
    let isReorganised = false;
    const onDepth = proxy.fault("eth_blockNumber", { kind: "rewrite", result: (truth) => truth });
    const done = run();
    // Blocks come with transactions alone: the last has none on top until we put them there.
    await onDepth.whenHit(3);
    const head = await chain().getBlockNumber();
    const last = await chain().getBlock({ blockNumber: head });
    await chain().request({ method: "anvil_reorg" as never, params: [2, []] as never });
    isReorganised = (await chain().getBlock({ blockNumber: head })).hash !== last.hash;
    assert.ok(isReorganised);
    await chain().mine({ blocks: 4 });
    const answered = done.then(() => true);
    while (!(await Promise.race([answered, onDepth.whenHit(onDepth.hits + 1).then(() => false)]))) {
      await chain().mine({ blocks: 1 });
    }
    const { plan } = await done;
    assert.equal(await chain().getTransactionCount({ address: deployer.address }), plan.steps.length);
  });

  it("reads a journal whose last line was cut short, and refuses one that is none", async () => {
    proxy.fault("eth_sendRawTransaction", { kind: "error", code: -32000, message: "no" });
    await refuses(run(), { code: "DEPLOY_REFUSED" });
    proxy.heal();
    const journal = `${out()}.journal`;
    const text = await readFile(journal, "utf8");
    await writeFile(journal, `${text.slice(0, -30)}`);
    await run();
    await rm(out());
    await writeFile(journal, `${toHex("none")}\n`);
    await refuses(run(), { code: "DEPLOY_JOURNAL_INVALID", path: journal });
  });
});

describe("scripts/deploy options", () => {
  it("are refused when unknown, out of bounds or missing", () => {
    const base = ["--network", "base", "--key", "k", "--governor", governor];
    const code = (args: string[]) => {
      try {
        parseOptions(args);
        return "";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    assert.equal(code(base), "");
    assert.equal(code([...base, "--privat-key", "x"]), "DEPLOY_OPTION_UNKNOWN");
    assert.equal(code([...base, "stray"]), "DEPLOY_OPTION_UNKNOWN");
    assert.equal(code(base.slice(2)), "DEPLOY_OPTION_MISSING");
    assert.equal(code(base.slice(0, 4)), "DEPLOY_OPTION_MISSING");
    for (const bad of [
      ["--governance-delay", "3599"],
      ["--thaw", "60"],
      ["--max-fee-gwei", "many"],
      ["--max-fee-gwei", "0.0"],
      ["--thaw", "-1"],
      ["--treasury", "0x00"],
      ["--out"],
    ]) {
      assert.equal(code([...base, ...bad]), "DEPLOY_OPTION_INVALID", bad.join(" "));
    }
    assert.equal(code([...base, "--governor", `0x${"00".repeat(20)}`]), "DEPLOY_OPTION_INVALID");
  });
});
