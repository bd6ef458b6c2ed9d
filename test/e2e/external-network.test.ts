import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { demoPattern, runDemo } from "../../scripts/network/demo.ts";
import { addressOfWallet, privateKeyOf, readJson, walletOf } from "../../scripts/network/wallets.ts";
import { listCollections } from "../../sdk/client/actions/account.ts";
import { createClient } from "../../sdk/client/create-client.ts";
import { parseNetwork, requireDeployed } from "../../sdk/protocol/network.ts";
import { startAnvil } from "../support/anvil-chain.ts";
import { TestNetwork } from "../support/e2e-network.ts";

const run = promisify(execFile);
const deployProgram = join(import.meta.dirname, "../../scripts/deployment/main.ts");
const leat = join(import.meta.dirname, "../../node/cli/main.ts");

describe("a chain that was there before, with contracts by scripts/deploy", function () {
  this.timeout(420_000);
  let dir: string;
  let chain: { child: ChildProcess; rpcUrl: string } | undefined;
  let network: TestNetwork | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "leat-external-"));
    chain = await startAnvil(["--block-time", "1", "--mixed-mining", "--preserve-historical-states"]);
  });

  after(async () => {
    await network?.stop();
    if (chain !== undefined) {
      const ended = once(chain.child, "exit");
      chain.child.kill("SIGKILL");
      await ended;
    }
    await rm(dir, { recursive: true, force: true });
  });

  it("carries nodes that leat start --network runs and that are paid", async () => {
    const [before, networkFile, key] = [join(dir, "given.json"), join(dir, "network.json"), join(dir, "key")];
    const given = { name: "elsewhere", chainId: 31337, confirmedDepth: 2, rpcUrls: [chain!.rpcUrl], deployment: null };
    await writeFile(before, JSON.stringify(given));
    await writeFile(key, privateKeyOf(walletOf("deployer")), { mode: 0o600 });
    const refused = await startOn(before);
    assert.equal(refused.code, "NETWORK_NOT_DEPLOYED");

    const files = ["--network", before, "--key", key, "--out", networkFile];
    const flags = ["--governor", addressOfWallet("clusterOwner"), "--development-tokens", "--yes", "--json"];
    const { stdout } = await run(process.execPath, [deployProgram, ...files, ...flags]);
    assert.equal(JSON.parse(stdout).ok, true);
    const { deployment } = requireDeployed(parseNetwork(await readJson(networkFile)));

    network = await TestNetwork.start({
      networkFile,
      programOf: () => [leat, "start", "--network", networkFile],
      // Only the option names it.
      adjust: (_, config) => ({ ...config, node: { ...(config.node as object), networkFile: undefined } }),
    });
    const report = await runDemo(network, {
      inputs: [demoPattern],
      token: "USDC",
      startedAtMs: Date.now(),
      readyMs: 0,
      onStep: () => {},
    });
    assert.equal(report.ok, true);
    const events = await listCollections(createClient({ rpcUrl: chain!.rpcUrl, deployment }));
    for (const payment of report.payments) {
      const own = events.filter(({ payer, payee }) => payer === payment.payer && payee === payment.payee);
      assert.equal(own.reduce((sum, { amount }) => sum + amount, 0n).toString(), payment.collected, payment.payee);
      assert.notEqual(payment.collected, "0");
    }
  });

  async function startOn(networkFile: string): Promise<{ code: string }> {
    const nodeKey = join(dir, "node.key");
    await writeFile(nodeKey, privateKeyOf(walletOf("operatorA")), { mode: 0o600 });
    const args = ["start", "--json", "--network", networkFile, "--node.roles", "delivery", "--node.keyFile", nodeKey];
    const { stdout } = await run(process.execPath, [leat, ...args, "--node.dataDir", join(dir, "node")]).catch(
      (error: { stdout: string }) => error,
    );
    return (JSON.parse(stdout) as { error: { code: string } }).error;
  }
});
