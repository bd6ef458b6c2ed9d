import { type ClusterStatus, getCluster } from "@leat/sdk/client/actions/cluster.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import type { Done } from "@leat/sdk/client/transaction.ts";
import type { Command } from "commander";
import { openAccount } from "../../account-client.ts";
import { readCluster } from "../../arguments.ts";
import type { KeyFlag } from "../../key-flag.ts";
import { printResult } from "../../output.ts";

export const owner = "the cluster's owner";

/** The client of `--key`, and the cluster that it acts on. */
export interface Acting {
  readonly client: LeatClient;
  readonly cluster: bigint;
}

export async function openActing(
  command: Command,
  operands: number,
  { id, key }: KeyFlag & { readonly id: string },
): Promise<Acting> {
  const cluster = readCluster(id);
  const { client } = await openAccount(command, operands, key);
  return { client, cluster };
}

/** The cluster as it stands after the transaction, not what was asked for. */
export async function reportCluster(
  command: Command,
  { client, cluster }: Acting,
  done: Done,
  say: (status: ClusterStatus) => string,
): Promise<void> {
  const status = await getCluster(client, cluster);
  const { nextShare = null, transfer = null } = status;
  printResult(command, { ...status, nextShare, transfer, ...done }, () => say(status));
}
