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
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import type { Done } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { formatAmount, parsePayment } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { type AccountClient, openAccount } from "../../account-client.ts";
import { readRecipient } from "../../arguments.ts";
import { printResult } from "../../output.ts";
import { acceptSettings } from "../../settings-flags.ts";
import { acceptPayee, assertCollectable, type Channel, type PayeeFlags, readChannel } from "./payee.ts";

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
