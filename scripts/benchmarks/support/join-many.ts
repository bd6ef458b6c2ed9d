import { createNodeKey } from "@leat/node/kernel/keys.ts";
import { developmentTokenAbi } from "@leat/sdk/protocol/abi/development-token.ts";
import { operatorRegistryAbi } from "@leat/sdk/protocol/abi/operator-registry.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import { type Address, type Hex, zeroAddress } from "@leat/sdk/protocol/hex.ts";
import { nodePossessionStructure } from "@leat/sdk/protocol/signed.ts";
import { toCompactSignature } from "@leat/sdk/protocol/statements.ts";
import { encodeFunctionData, erc20Abi } from "viem";
import type { AnvilChain } from "../../../test/support/anvil-chain.ts";

export const STAKE = 100n * 10n ** 18n;
/** Transactions of one block: three for each operator, within the gas of a block. */
const OPERATORS_A_BLOCK = 50;
const GAS: Hex = "0x7a120";

/** Operators with a stake and one node each, by impersonation: none of them needs a key of its own. */
export async function joinMany(chain: AnvilChain, count: number, signal: AbortSignal): Promise<void> {
  const { deployment, testClient, rpcUrl } = chain;
  const { chainId, operatorRegistry, stakeToken } = deployment;
  const ask = (method: string, params: unknown[]) =>
    testClient.request({ method: method as never, params: params as never });
  const domain = createDomain(chainId, operatorRegistry);
  const validUntil = BigInt(Math.floor(Date.now() / 1_000) + 86_400);
  await ask("anvil_autoImpersonateAccount", [true]);
  await testClient.setAutomine(false);
  for (let from = 0; from < count; from += OPERATORS_A_BLOCK) {
    signal.throwIfAborted();
    const batch = Array.from({ length: Math.min(OPERATORS_A_BLOCK, count - from) }, (_, at) => from + at);
    await Promise.all(batch.map((index) => ask("anvil_setBalance", [operatorOf(index), "0xde0b6b3a7640000"])));
    const calls: object[] = [];
    for (const index of batch) {
      const operator = operatorOf(index);
      const { signer } = createNodeKey(nodeSecret(index));
      const signature = await signer.sign(nodePossessionStructure, domain, {
        operator,
        node: signer.address,
        validUntil,
      });
      const request = {
        stake: STAKE,
        permit: { deadline: 0n, v: 0, r: NO_WORD, s: NO_WORD },
        beneficiary: zeroAddress,
        pushPayouts: false,
        node: { node: signer.address, validUntil, ...toCompactSignature(signature) },
        endpoint: `http://127.0.0.1/offer/${index}`,
        cluster: 0n,
        maximumSharePpm: 0,
      };
      const data = [
        [stakeToken, encodeFunctionData({ abi: developmentTokenAbi, functionName: "mint", args: [operator, STAKE] })],
        [stakeToken, encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [operatorRegistry, STAKE] })],
        [operatorRegistry, encodeFunctionData({ abi: operatorRegistryAbi, functionName: "join", args: [request] })],
      ] as const;
      data.forEach(([to, call], nonce) => {
        calls.push({ from: operator, to, data: call, gas: GAS, nonce: `0x${nonce.toString(16)}` });
      });
    }
    await post(rpcUrl, calls);
    await testClient.mine({ blocks: 3 });
  }
  await testClient.setAutomine(true);
  await ask("anvil_autoImpersonateAccount", [false]);
}

const NO_WORD: Hex = `0x${"00".repeat(32)}`;

function operatorOf(index: number): Address {
  return `0x${(0x1ea7_0000 + index).toString(16).padStart(40, "0")}`;
}

function nodeSecret(index: number): Uint8Array {
  const secret = new Uint8Array(32).fill(0x6e);
  new DataView(secret.buffer).setUint32(28, index);
  return secret;
}

/** Many transactions in one request: anvil answers them in order. */
async function post(rpcUrl: string, transactions: readonly object[]): Promise<void> {
  const body = transactions.map((one, id) => ({ jsonrpc: "2.0", id, method: "eth_sendTransaction", params: [one] }));
  const answer = await fetch(rpcUrl, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answers = (await answer.json()) as { error?: { message: string } }[];
  const failed = answers.find(({ error }) => error !== undefined);
  if (failed !== undefined) throw new Error(`anvil refused a transaction: ${failed.error!.message}`);
}
