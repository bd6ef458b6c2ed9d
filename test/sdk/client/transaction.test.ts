import assert from "node:assert/strict";
import { JsonRpcProvider, Wallet } from "ethers";
import { createWalletClient, erc20Abi, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import type { NodeKey } from "../../../node/kernel/keys.ts";
import { createCluster } from "../../../sdk/client/actions/cluster.ts";
import { createClient } from "../../../sdk/client/create-client.ts";
import { signerOf, write } from "../../../sdk/client/transaction.ts";
import { clusterRegistryAbi } from "../../../sdk/protocol/abi/cluster-registry.ts";
import { bytesToHex, type Hex, toAddress } from "../../../sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";
import { openRpcProxy, type RpcProxy } from "../../support/rpc-proxy.ts";

const NEVER_MS = 3_600_000;

describe("transactions of the client", () => {
  let anvil: AnvilChain;
  let proxy: RpcProxy;
  beforeEach(async function () {
    this.timeout(60_000);
    anvil = await openAnvil();
    proxy = await openRpcProxy(anvil.rpcUrl);
    await anvil.testClient.setAutomine(false);
  });
  afterEach(async () => {
    await proxy?.close();
    await anvil?.close();
  });

  /** A client that says what it sent while that is in no block yet. */
  function clientOf(key: NodeKey, confirmMs = NEVER_MS) {
    const signer = signerOf(anvil.client(key));
    const sent = Promise.withResolvers<Hex>();
    const sendCall: typeof signer.sendCall = async (call) => {
      const transaction = await signer.sendCall(call);
      sent.resolve(transaction);
      return transaction;
    };
    const { deployment } = anvil;
    const account = { ...signer, sendCall };
    const client = createClient({ rpcUrl: proxy.url, deployment, account, pollMs: 20, confirmMs });
    return { sent: sent.promise, client };
  }

  const approve = (client: ReturnType<typeof createClient>) => {
    const { tokens, escrow } = client.deployment;
    return write(client, { address: tokens.USDC!, abi: erc20Abi, functionName: "approve", args: [escrow, 5n] });
  };

  /** What the same account sends in the place of a transaction that waits. */
  async function sendInstead(key: NodeKey, waiting: Hex, isSame: boolean): Promise<Hex> {
    // The client looks for a receipt, reads what it waits for, and looks again.
    await proxy.whenCalled("eth_getTransactionReceipt", 2);
    const { publicClient } = anvil.client(key);
    const { nonce, maxFeePerGas, to, input, gas } = await publicClient.getTransaction({ hash: waiting });
    const fees = { maxFeePerGas: maxFeePerGas! * 2n, maxPriorityFeePerGas: maxFeePerGas! * 2n };
    const account = privateKeyToAccount(bytesToHex(key.secret));
    const wallet = createWalletClient({ account, chain: foundry, transport: http(anvil.rpcUrl) });
    const call = isSame ? { to, data: input, gas } : { to: key.address };
    return wallet.sendTransaction({ ...call, nonce, ...fees });
  }

  it("tells that another one took its place, and that nothing of it happened", async () => {
    const key = await anvil.key(1);
    const { client, sent } = clientOf(key);
    const approving = approve(client);
    const transaction = await sent;
    const by = await sendInstead(key, transaction, false);
    await anvil.mine(1);
    await assert.rejects(approving, { detail: { code: "CLIENT_DISPLACED", method: "approve", transaction, by } });
  });

  it("takes the same call at a higher fee for its own", async () => {
    const key = await anvil.key(1);
    const { client, sent } = clientOf(key);
    const approving = approve(client);
    const by = await sendInstead(key, await sent, true);
    await anvil.mine(1);
    assert.equal((await approving).transaction, by);
  });

  it("tells what it sent when that is in no block in time, since it may still happen", async () => {
    const { client, sent } = clientOf(await anvil.key(1), 1);
    const refused = await approve(client).catch(({ detail }) => detail);
    assert.deepEqual(refused, { code: "CLIENT_UNCONFIRMED", method: "approve", transaction: await sent });
  });

  it("answers each of two that create a cluster in one block its own", async () => {
    const creators = await Promise.all([1, 2].map((index) => anvil.key(index)));
    const clients = creators.map((key) => clientOf(key));
    const creating = clients.map(({ client }) => createCluster(client, { terms: "", balancers: [] }));
    await Promise.all(clients.map(({ sent }) => sent));
    await anvil.mine(1);
    const created = await Promise.all(creating);
    const { publicClient } = anvil.client(creators[0]!);
    const contract = { address: anvil.deployment.clusterRegistry, abi: clusterRegistryAbi } as const;
    const owners = await Promise.all(
      created.map(({ cluster }) =>
        publicClient.readContract({ ...contract, functionName: "ownerOf", args: [cluster] }),
      ),
    );
    assert.deepEqual(
      owners.map(toAddress),
      creators.map(({ address }) => address),
    );
  });

  it("says who lacks gas, and that the key is busy, where an endpoint takes no transaction", async () => {
    const key = await anvil.key(1);
    const account = privateKeyToAccount(bytesToHex(key.secret));
    const client = createClient({ rpcUrl: proxy.url, deployment: anvil.deployment, account, pollMs: 20 });
    for (const message of ["replacement transaction underpriced", "nonce too low"]) {
      const rule = proxy.fault("eth_sendRawTransaction", { kind: "error", code: -32_000, message });
      await assert.rejects(approve(client), {
        detail: { code: "CLIENT_KEY_BUSY", account: key.address, method: "approve" },
      });
      rule.remove();
    }
    await anvil.testClient.setBalance({ address: key.address, value: 0n });
    const poor = { detail: { code: "CLIENT_GAS_MISSING", account: key.address, method: "approve" } };
    await assert.rejects(approve(client), poor);
    const wallet = new Wallet(bytesToHex(key.secret), new JsonRpcProvider(proxy.url));
    const byEthers = createClient({ rpcUrl: proxy.url, deployment: anvil.deployment, account: wallet, pollMs: 20 });
    await assert.rejects(approve(byEthers), poor);
    wallet.provider!.destroy();
  });
});
