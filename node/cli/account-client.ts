import { CodedError } from "@leat/sdk/base/errors.ts";
import { checkContracts } from "@leat/sdk/client/contracts.ts";
import { createClient, type LeatClient } from "@leat/sdk/client/create-client.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { privateKeyToAccount } from "viem/accounts";
import { readDeployment } from "../app/deployment.ts";
import { ChainError } from "../chain/errors.ts";
import type { NodeConfig } from "../config/sections.ts";
import { loadKeyFile, type NodeKey } from "../kernel/keys.ts";
import { loadSettings } from "./settings-flags.ts";

export class AccountError extends CodedError<{ code: "CLI_RPC_MISSING" }> {}

/** A person waits: an endpoint that is silent this long twice does not answer. */
const CALL_TIMEOUT_MS = 10_000;
const RETRIES = 1;

export interface AccountClient {
  readonly client: LeatClient;
  readonly key: NodeKey;
  readonly settings: NodeConfig;
}

/** Before anything is asked or signed: another chain, or an address without a contract, would answer with nothing. */
async function checkChain({ publicClient, deployment }: LeatClient): Promise<void> {
  const found = await publicClient.getChainId();
  if (found !== deployment.chainId) throw new ChainError({ code: "CHAIN_WRONG", wanted: deployment.chainId, found });
  await checkContracts({ publicClient, deployment });
}

/**
 * A client on this node's chain, from the same settings as `leat start`. Asks nobody anything.
 * @param operands How many of the command's arguments are its own and no flags of settings.
 * @param keyFile Whose key acts; default this node's own.
 * @throws CLI_RPC_MISSING, and what settings and key files are refused with
 */
export async function readAccount(command: Command, operands: number, keyFile?: string): Promise<AccountClient> {
  const { settings, ...chain } = readChain(command, operands);
  const key = await loadKeyFile(keyFile ?? settings.node.keyFile);
  const account = privateKeyToAccount(bytesToHex(key.secret));
  return { client: createClient({ ...chain, deployment: readDeployment(settings), account }), key, settings };
}

/** The same, of an endpoint that was found to be of the right chain, with the contracts. @throws CHAIN_WRONG, CLIENT_CONTRACT_ABSENT too */
export async function openAccount(command: Command, operands: number, keyFile?: string): Promise<AccountClient> {
  const account = await readAccount(command, operands, keyFile);
  await checkChain(account.client);
  return account;
}

/** The same without a key: what stands on chain is anybody's to read. */
export async function openReader(command: Command, operands: number): Promise<Omit<AccountClient, "key">> {
  const { settings, ...chain } = readChain(command, operands);
  const client = createClient({ ...chain, deployment: readDeployment(settings) });
  await checkChain(client);
  return { client, settings };
}

function readChain(command: Command, operands: number) {
  const { values: settings } = loadSettings(command, operands);
  const rpcUrl = settings.chain.rpcUrls[0];
  if (rpcUrl === undefined) {
    const message =
      "no endpoint of the chain is known; set --chain.rpcUrls, here or in the file of --config or --network";
    throw new AccountError({ code: "CLI_RPC_MISSING" }, { message });
  }
  return { settings, rpcUrl, callTimeoutMs: CALL_TIMEOUT_MS, retries: RETRIES };
}
