import { CodedError } from "@leat/sdk/base/errors.ts";
import { tokenAddress } from "@leat/sdk/client/actions/account.ts";
import { getClusterAccount } from "@leat/sdk/client/actions/cluster.ts";
import { getOperatorOf } from "@leat/sdk/client/actions/node-keys.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import { ClientError } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { readAddress, readCluster } from "../../arguments.ts";
import type { Channel, Promised } from "../../escrow-money.ts";
import { UsageError } from "../../output.ts";
import { acceptSettings } from "../../settings-flags.ts";

export class PayeeError extends CodedError<{ code: "CLI_PAYEE_UNKNOWN"; payee: Address }> {}

export interface PayeeFlags {
  readonly force?: boolean;
  readonly cluster?: string;
  readonly payee?: string;
}

/** Lets a command name whom money is reserved for: a cluster, or a node. */
export function acceptPayee(command: Command): Command {
  return acceptSettings(command)
    .option("--cluster <id>", "the cluster that it is reserved for")
    .option("--payee <address>", "in place of a cluster: the node that it is reserved for");
}

/** What is reserved for an address that nobody sells under lies there until a thaw is over. */
export async function assertCollectable(
  client: LeatClient,
  flags: Pick<PayeeFlags, "payee" | "force">,
  { payee }: Channel,
): Promise<void> {
  if (flags.payee === undefined || flags.force === true) return;
  await getOperatorOf(client, payee).catch((error) => {
    if (!(error instanceof ClientError) || error.detail.code !== "CLIENT_NODE_UNKNOWN") throw error;
    throw new PayeeError({ code: "CLI_PAYEE_UNKNOWN", payee }, { cause: error });
  });
}

/** Whom the flags name. */
export async function readPromised(client: LeatClient, name: string, flags: PayeeFlags): Promise<Promised> {
  const { cluster } = flags;
  const channel = await readChannel(client, name, flags);
  const whom = cluster === undefined ? channel.payee : `cluster ${cluster}`;
  const again = cluster === undefined ? `--payee ${channel.payee}` : `--cluster ${cluster}`;
  return { channel, name, whom, releaseBy: `leat buyer release ${name} ${again}` };
}

async function readChannel(client: LeatClient, name: string, { cluster, payee }: PayeeFlags): Promise<Channel> {
  const token = tokenAddress(client, name);
  if (cluster !== undefined && payee !== undefined) {
    throw new UsageError("--cluster and --payee are both given: it is reserved for one of them");
  }
  if (cluster === undefined && payee === undefined) {
    throw new UsageError("name whom it is reserved for: --cluster ID, or --payee ADDRESS");
  }
  if (payee !== undefined) return { token, payee: readAddress(payee, "--payee") };
  return { token, payee: await getClusterAccount(client, readCluster(cluster!)) };
}
