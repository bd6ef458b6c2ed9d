import { readFile } from "node:fs/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { createClient, type LeatClient } from "@leat/sdk/client/create-client.ts";
import { parseDeployment } from "@leat/sdk/protocol/deployment.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { privateKeyToAccount } from "viem/accounts";
import { loadConfig } from "../config/load-config.ts";
import { type NodeConfig, sections } from "../config/sections.ts";
import { loadKeyFile, type NodeKey } from "../kernel/keys.ts";

export class AccountError extends CodedError<
  { code: "CLI_RPC_MISSING" } | { code: "CLI_DEPLOYMENT_UNREADABLE"; path: string; reason: string }
> {}

export interface AccountClient {
  readonly client: LeatClient;
  readonly key: NodeKey;
  readonly settings: NodeConfig;
}

/**
 * A client that acts with this node's key on this node's chain, from the same settings as `leat start`.
 * @param operands How many of the command's arguments are its own and no flags of settings.
 */
export async function openAccount(command: Command, operands: number): Promise<AccountClient> {
  const { config: file } = command.opts<{ config?: string }>();
  const { values } = loadConfig({ sections, argv: command.args.slice(operands), env: process.env, file });
  const rpcUrl = values.chain.rpcUrls[0];
  if (rpcUrl === undefined) {
    const message = "no endpoint of the chain is known; set --chain.rpcUrls or give --config";
    throw new AccountError({ code: "CLI_RPC_MISSING" }, { message });
  }
  const key = await loadKeyFile(values.node.keyFile);
  const deployment = parseDeployment(await readJson(values.node.deploymentFile));
  const account = privateKeyToAccount(bytesToHex(key.secret));
  return { client: createClient({ rpcUrl, deployment, account }), key, settings: values };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    const message = `no deployment can be read from ${path}: ${reason}; set --node.deploymentFile`;
    throw new AccountError({ code: "CLI_DEPLOYMENT_UNREADABLE", path, reason }, { cause, message });
  }
}
