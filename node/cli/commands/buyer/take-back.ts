import { cancelThaw, type ReserveInput, release, reserve, thaw } from "@leat/sdk/client/actions/account.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import type { Done } from "@leat/sdk/client/transaction.ts";
import type { Command } from "commander";
import { openAccount } from "../../account-client.ts";
import { readRecipient } from "../../arguments.ts";
import { type Channel, changeReserve, endThaw, ownPurse, withdrawPool } from "../../escrow-money.ts";
import { acceptSettings } from "../../settings-flags.ts";
import { acceptPayee, assertCollectable, type PayeeFlags, readPromised } from "./payee.ts";

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
    .action(endBy(cancelThaw));
  acceptPayee(buyer.command("release <token>"))
    .description("move what has thawed into the deposit, promised to nobody")
    .action(endBy(release));
  acceptSettings(buyer.command("withdraw <amount> <token>"))
    .description("take money that is promised to nobody out of the escrow, to the wallet")
    .option("--to <address>", "who receives it (default: the account)")
    .action(async (amount: string, token: string, flags: { readonly to?: string }, command: Command) => {
      const to = readRecipient(flags.to);
      await withdrawPool(command, ownPurse(await openAccount(command, 2)), { amount, token, to });
    });
}

type Check = (client: LeatClient, flags: PayeeFlags, channel: Channel) => Promise<void>;

function changeBy(act: (client: LeatClient, input: ReserveInput) => Promise<Done>, check: Check = async () => {}) {
  return async (amount: string, name: string, flags: PayeeFlags, command: Command) => {
    const purse = ownPurse(await openAccount(command, 2));
    const promised = await readPromised(purse.client, name, flags);
    await check(purse.client, flags, promised.channel);
    await changeReserve(command, purse, promised, { amount, act });
  };
}

function endBy(act: (client: LeatClient, input: Omit<ReserveInput, "amount">) => Promise<Done>) {
  return async (name: string, flags: PayeeFlags, command: Command) => {
    const purse = ownPurse(await openAccount(command, 1));
    await endThaw(command, purse, await readPromised(purse.client, name, flags), act);
  };
}
