import type { Command } from "commander";
import { openAccount } from "../../account-client.ts";
import { readRecipient } from "../../arguments.ts";
import { withdrawPool } from "../buyer/take-back.ts";
import { acceptKey, type KeyFlag } from "./acting.ts";

/** Proceeds that are credited are the beneficiary's, whose key alone takes them out. */
export function registerEarnings(operator: Command): void {
  acceptKey(
    operator.command("withdraw-earnings <amount> <token>"),
    "the beneficiary (without one, the operator's account)",
  )
    .description("take proceeds that the escrow credited out of it")
    .option("--to <address>", "who receives them (default: the beneficiary)")
    .action(async (amount: string, token: string, flags: KeyFlag & { readonly to?: string }, command: Command) => {
      const to = readRecipient(flags.to);
      await withdrawPool(command, await openAccount(command, 2, flags.key), { amount, token, to });
    });
}
