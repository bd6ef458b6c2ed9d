import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { deposit, getCollectStatus, reserve } from "@leat/sdk/client/actions/account.ts";
import { createCluster, getClusterAccount } from "@leat/sdk/client/actions/cluster.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";
import { writeCliSettings } from "../../support/cli-settings.ts";
import { collectVoucher } from "../../support/collect-voucher.ts";
import { runLeat } from "../../support/run-leat.ts";

describe("leat buyer allot", function () {
  this.timeout(60_000);
  let anvil: AnvilChain;
  let folder: string;
  let [buyer, agent] = [] as unknown as NodeKey[];

  before(async () => {
    anvil = await openAnvil();
    folder = await mkdtemp(join(tmpdir(), "leat-allot-"));
    [buyer, agent] = [await anvil.key(1), await anvil.key(2)];
    await writeCliSettings(anvil, folder, { node: buyer, agent });
    const proving = ["prove", "--for", buyer!.address, "--node.keyFile", join(folder, "agent.key"), "--json"];
    await writeFile(join(folder, "proof"), (await leat(...proving)).stdout);
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const leat = (...args: string[]) => runLeat("buyer", ...args, "--config", join(folder, "leat.json"));
  const allot = (cap: string, ...args: string[]) =>
    leat(
      ...["allot", "--signer", agent!.address, "--cap", cap, "--days", "30", "--cluster", "1"],
      ...["--proof", join(folder, "proof"), ...args],
    );
  const refusalOf = async (cap: string) => {
    const { code, stdout } = await allot(cap, "--json");
    assert.equal(code, 1, stdout);
    return (JSON.parse(stdout) as { error: Record<string, unknown> }).error;
  };

  it("refuses a cap that what was collected has reached, and a lower one than the key has", async () => {
    const client = anvil.client(buyer!);
    const token = anvil.deployment.tokens.USDC;
    const { account: payee, cluster } = await createCluster(client, { terms: "", balancers: [] });
    await anvil.mint(token, buyer!.address, 3_000_000n);
    await deposit(client, { token, amount: 3_000_000n });
    await reserve(client, { payee, token, amount: 3_000_000n });
    await collectVoucher(anvil, buyer!, { payee, payeeCluster: cluster, token, total: 1_500_000n });
    const spent = await refusalOf("1.5");
    assert.deepEqual([spent.code, spent.cap, spent.collected], ["CLI_CAP_SPENT", "1500000", "1500000"]);
    assert.match(String(spent.message), /^1\.5 USDC were collected .* a cap of 1\.5 counts them/);
    assert.equal((await refusalOf("0")).code, "UNITS_AMOUNT_ZERO");
    assert.equal((await allot("2.5")).code, 0);
    const fell = await refusalOf("2");
    assert.deepEqual([fell.code, fell.held, fell.wanted], ["CLIENT_CAP_FELL", "2500000", "2000000"]);
  });

  it("warns where the agent has signed that much already", async () => {
    const token = anvil.deployment.tokens.USDC;
    const payee = await getClusterAccount(anvil.client(buyer!), 1n);
    const { channelId } = await getCollectStatus(anvil.client(buyer!), { payer: buyer!.address, payee, token });
    const payments = { channels: [{ channelId, vouchered: "2600000" }], totals: [] };
    const server = createServer((_request, response) => void response.end(JSON.stringify(payments)));
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const port = ["--http.port", String((server.address() as AddressInfo).port)];
      assert.match((await allot("2.6", ...port)).stdout, /\n2\.6 are signed already: raise the cap/);
      assert.doesNotMatch((await allot("2.7", ...port)).stdout, /signed already/);
    } finally {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    }
  });
});
