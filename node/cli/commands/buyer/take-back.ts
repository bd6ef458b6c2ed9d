import { CodedError } from "@leat/sdk/base/errors.ts";
import { formatTime } from "@leat/sdk/base/format-time.ts";
import {
  cancelThaw,
  getBalances,
  getCollectStatus,
  type ReserveInput,
  release,
  reserve,
  thaw,
  tokenAddress,
  withdraw,
} from "@leat/sdk/client/actions/account.ts";
import { getOperatorOf } from "@leat/sdk/client/actions/node-keys.ts";
import { getClusterAccount } from "@leat/sdk/client/actions/operator.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import { ClientError, type Done } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { formatAmount, parsePayment } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { type AccountClient, openAccount } from "../../account-client.ts";
import { readAddress, readCluster, readRecipient } from "../../arguments.ts";
import { printResult, UsageError } from "../../output.ts";
import { acceptSettings } from "../../settings-flags.ts";

export class PayeeError extends CodedError<{ code: "CLI_PAYEE_UNKNOWN"; payee: Address }> {}

export interface PayeeFlags {
  readonly force?: boolean;
  readonly cluster?: string;
  readonly payee?: string;
}

type Channel = Omit<ReserveInput, "amount">;

/** `leat buyer reserve`, `thaw`, `cancel-thaw`, `release` and `withdraw`: from the deposit to a payee and all the way back. */
export function registerTakeBack(buyer: Command): void {
  acceptPayee(buyer.command("reserve <amount> <token>"))
    .description("promise part of the deposit to a cluster")
    .option("--force", "reserve also for a payee that is no operator's node")
    .action(changeBy(reserve, assertCollectable));
  acceptPayee(buyer.command("thaw <amount> <token>"))
    .description("start to take back what is reserved; it can still be collected until the wait is over")
    .action(changeBy(thaw));
  acceptPayee(buyer.command("cancel-thaw <token>"))
    .description("return what thaws to the reserve")
    .action(endThaw(cancelThaw));
  acceptPayee(buyer.command("release <token>"))
    .description("move what has thawed into the deposit, promised to nobody")
    .action(endThaw(release));
  acceptSettings(buyer.command("withdraw <amount> <token>"))
    .description("take money that is promised to nobody out of the escrow, to the wallet")
    .option("--to <address>", "who receives it (default: the account)")
    .action(async (amount: string, token: string, flags: { readonly to?: string }, command: Command) => {
      const to = readRecipient(flags.to);
      await withdrawPool(command, await openAccount(command, 2), { amount, token, to });
    });
}

/** Out of the escrow, for buyers and for whoever is credited there. */
export async function withdrawPool(
  command: Command,
  { client, key }: AccountClient,
  { amount, token: name, to = key.address }: { amount: string; token: string; to: Address | undefined },
): Promise<void> {
  const token = tokenAddress(client, name);
  const { decimals } = await getBalances(client, token);
  const baseUnits = parsePayment(amount, decimals);
  const done = await withdraw(client, { token, amount: baseUnits, to });
  const { pool, wallet } = await getBalances(client, token);
  const facts = { account: key.address, token, amount: baseUnits, to, pool, wallet, ...done };
  printResult(command, facts, () => {
    return `sent ${amount} ${name} to ${to}; ${formatAmount(pool, decimals)} ${name} are left in the escrow, promised to nobody`;
  });
}

/** For whom it is. */
export function acceptPayee(command: Command): Command {
  return acceptSettings(command)
    .option("--cluster <id>", "the cluster that it is reserved for")
    .option("--payee <address>", "in place of a cluster: the node that it is reserved for");
}

type Check = (client: LeatClient, flags: PayeeFlags, channel: Channel) => Promise<void>;

function changeBy(act: (client: LeatClient, input: ReserveInput) => Promise<Done>, check: Check = async () => {}) {
  return async (amount: string, name: string, flags: PayeeFlags, command: Command) => {
    const account = await openAccount(command, 2);
    const channel = await readChannel(account.client, name, flags);
    await check(account.client, flags, channel);
    const { decimals } = await getBalances(account.client, channel.token);
    const done = await act(account.client, { ...channel, amount: parsePayment(amount, decimals) });
    await report(command, account, { name, flags, channel, done });
  };
}

function endThaw(act: (client: LeatClient, input: Channel) => Promise<Done>) {
  return async (name: string, flags: PayeeFlags, command: Command) => {
    const account = await openAccount(command, 1);
    const channel = await readChannel(account.client, name, flags);
    await report(command, account, { name, flags, channel, done: await act(account.client, channel) });
  };
}

/** What is reserved for an address that nobody sells under lies there until a thaw is over. */
export async function assertCollectable(client: LeatClient, flags: PayeeFlags, { payee }: Channel): Promise<void> {
  if (flags.payee === undefined || flags.force === true) return;
  await getOperatorOf(client, payee).catch((error) => {
    if (!(error instanceof ClientError) || error.detail.code !== "CLIENT_NODE_UNKNOWN") throw error;
    throw new PayeeError({ code: "CLI_PAYEE_UNKNOWN", payee }, { cause: error });
  });
}

export async function readChannel(client: LeatClient, name: string, { cluster, payee }: PayeeFlags): Promise<Channel> {
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

/** What stands after the transaction, not what was asked for. */
async function report(
  command: Command,
  { client, key }: AccountClient,
  told: { readonly name: string; readonly flags: PayeeFlags; readonly channel: Channel; readonly done: Done },
): Promise<void> {
  const { name, flags, channel, done } = told;
  const [{ pool, decimals }, status] = await Promise.all([
    getBalances(client, channel.token),
    getCollectStatus(client, { ...channel, payer: key.address }),
  ]);
  const { reserve: reserved, thawing, thawEndsAt } = status;
  printResult(
    command,
    { account: key.address, ...channel, reserve: reserved, thawing, thawEndsAt, pool, ...done },
    () => {
      const show = (baseUnits: bigint) => `${formatAmount(baseUnits, decimals)} ${name}`;
      const whom = flags.cluster === undefined ? channel.payee : `cluster ${flags.cluster}`;
      const again = flags.cluster === undefined ? `--payee ${channel.payee}` : `--cluster ${flags.cluster}`;
      const wait = `, ${show(thawing)} thawing until ${formatTime(thawEndsAt)} (then "leat buyer release ${name} ${again}")`;
      const stands = `${show(reserved)} reserved for ${whom}${thawing === 0n ? "" : wait}`;
      return `${stands}; ${show(pool)} in the escrow, promised to nobody`;
    },
  );
}
