import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestClient, http, publicActions, walletActions } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { developmentMnemonic, startBlocks, startChain } from "../../../scripts/network/chain.ts";
import { ProcessGroup } from "../../../scripts/network/processes.ts";

/** PUSH0, PUSH0, LOG0: whoever calls it makes an event. */
const emitter = { address: `0x${"e7".repeat(20)}`, bytecode: "0x5f5fa0" } as const;
const account = mnemonicToAccount(developmentMnemonic);

describe("chain of a local network", function () {
  this.timeout(60_000);
  let folder: string;
  const groups: ProcessGroup[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-chain-"));
  });
  after(async () => {
    for (const group of groups) await group.stop();
    await rm(folder, { recursive: true });
  });

  const start = async (port: number) => {
    const group = new ProcessGroup(folder, assert.ifError);
    groups.push(group);
    const { rpcUrl } = await startChain(group, folder, port);
    const client = createTestClient({ mode: "anvil", chain: foundry, transport: http(rpcUrl), account })
      .extend(publicActions)
      .extend(walletActions);
    return { group, client, rpcUrl };
  };

  const countStates = async () =>
    JSON.parse(await readFile(join(folder, "chain.json"), "utf8")).historical_states.length;

  it("has every event and what nodes read after a restart, in a file that does not grow by the state of each block", async () => {
    const port = await findPort();
    const { group, client, rpcUrl } = await start(port);
    await client.setCode(emitter);
    const hash = await client.sendTransaction({ to: emitter.address });
    await client.waitForTransactionReceipt({ hash });
    await client.mine({ blocks: 200 });
    // What nodes see from then on: blocks by time, with what is sent and without.
    const stopBlocks = await startBlocks({ rpcUrl, chainId: foundry.id });
    const byTime = await client.sendTransaction({ to: emitter.address });
    await client.waitForTransactionReceipt({ hash: byTime });
    await client.mine({ blocks: 100 });
    await stopBlocks();
    await group.stop();
    const first = (await stat(join(folder, "chain.json"))).size;
    assert.equal(await countStates(), 32);

    const again = await start(port);
    await again.client.mine({ blocks: 200 });
    const head = await again.client.getBlockNumber();
    await again.group.stop();
    const second = (await stat(join(folder, "chain.json"))).size;
    assert.equal(await countStates(), 32);
    // 200 headers; each state is a multiple of one.
    assert.ok(second - first < 1_000_000, `${first} bytes, then ${second}`);

    const last = await start(port);
    const logs = await last.client.getLogs({ address: emitter.address, fromBlock: 0n });
    assert.deepEqual(
      logs.map(({ transactionHash }) => transactionHash),
      [hash, byTime],
    );
    for (const blockNumber of [head, head - 2n, head - 20n]) {
      assert.equal(await last.client.getCode({ address: emitter.address, blockNumber }), emitter.bytecode);
    }
  });
});

async function findPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}
