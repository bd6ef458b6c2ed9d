import { CodedError } from "@leat/sdk/base/errors.ts";
import { ClientError } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { openAccount } from "../../account-client.ts";
import { readRecipient } from "../../arguments.ts";
import { ownPurse, withdrawPool } from "../../escrow-money.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";

/** Amounts in base units. */
export class EarningsError extends CodedError<{
  code: "CLI_EARNINGS_SHORT";
  account: Address;
  token: Address;
  symbol: string;
  decimals: number;
  wanted: bigint;
  found: bigint;
}> {}

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
      const account = await openAccount(command, 2, flags.key);
      await withdrawPool(command, ownPurse(account), { amount, token, to }).catch((error) => {
        throw asEarnings(error, account.key.address);
      });
    });
}

/** A buyer would get back what it reserved; who has proceeds reserved nothing. */
function asEarnings(error: unknown, account: Address): unknown {
  if (!(error instanceof ClientError) || error.detail.code !== "CLIENT_POOL_SHORT") return error;
  return new EarningsError({ ...error.detail, code: "CLI_EARNINGS_SHORT", account }, { cause: error });
}
