import { formatTime } from "@leat/sdk/base/format-time.ts";
import {
  deposit,
  getBalances,
  getCollectStatus,
  getDecimals,
  type ReserveInput,
  reserve,
  tokenAddress,
  withdraw,
} from "@leat/sdk/client/actions/account.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import type { Done } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { formatAmount, parsePayment } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import type { AccountClient } from "./account-client.ts";
import { printResult } from "./output.ts";

/** Whose money in the escrow a command moves, and who moves it. */
export interface Purse {
  readonly client: LeatClient;
  /** The key's own account, which pays in and is paid out to. */
  readonly actor: Address;
  /** Whose deposit and reserves they are: the actor's, or a cluster's in whose name it acts. */
  readonly account: Address;
  readonly asCluster?: bigint;
}

export type Channel = Omit<ReserveInput, "amount" | "asCluster">;

/** Whom money is promised to, and how a command and people call that. */
export interface Promised {
  readonly channel: Channel;
  /** The token's name. */
  readonly name: string;
  readonly whom: string;
  /** The command that frees what has thawed. */
  readonly releaseBy: string;
}

/** A buyer, or whoever is credited in the escrow. */
export function ownPurse({ client, key }: AccountClient): Purse {
  return { client, actor: key.address, account: key.address };
}

/** Puts money into the escrow, and promises it at once where `promised` says to whom. */
export async function depositMoney(
  command: Command,
  purse: Purse,
  input: { readonly amount: string; readonly token: string; readonly promised?: Promised; readonly reserveBy: string },
): Promise<void> {
  const { client, account, asCluster } = purse;
  const { amount, token: name, promised, reserveBy } = input;
  const token = tokenAddress(client, name);
  const baseUnits = parsePayment(amount, await getDecimals(client, token));
  const deposited = await deposit(client, { token, amount: baseUnits, account });
  const reserved =
    promised === undefined
      ? undefined
      : await reserve(client, { payee: promised.channel.payee, token, amount: baseUnits, asCluster });
  const facts = {
    account,
    token,
    amount: baseUnits,
    deposited: deposited.transaction,
    reserved: reserved?.transaction,
    payee: promised?.channel.payee,
  };
  const free = `, promised to nobody: "${reserveBy}" promises it`;
  const purpose = promised === undefined ? free : `, reserved for ${promised.whom}`;
  printResult(command, facts, () => `deposited ${amount} ${name}${purpose}`);
}

/** Reserves more, or begins to take some back. */
export async function changeReserve(
  command: Command,
  purse: Purse,
  promised: Promised,
  change: {
    readonly amount: string;
    readonly act: (client: LeatClient, input: ReserveInput) => Promise<Done>;
  },
): Promise<void> {
  const { client, asCluster } = purse;
  const { channel } = promised;
  const amount = parsePayment(change.amount, await getDecimals(client, channel.token));
  await report(command, purse, promised, await change.act(client, { ...channel, amount, asCluster }));
}

/** Cancels a thaw, or frees what has thawed. */
export async function endThaw(
  command: Command,
  purse: Purse,
  promised: Promised,
  act: (client: LeatClient, input: Omit<ReserveInput, "amount">) => Promise<Done>,
): Promise<void> {
  const { client, asCluster } = purse;
  await report(command, purse, promised, await act(client, { ...promised.channel, asCluster }));
}

/** Out of the escrow, by default to the actor. */
export async function withdrawPool(
  command: Command,
  purse: Purse,
  input: { readonly amount: string; readonly token: string; readonly to: Address | undefined },
): Promise<void> {
  const { client, actor, account, asCluster } = purse;
  const { amount, token: name, to = actor } = input;
  const token = tokenAddress(client, name);
  const decimals = await getDecimals(client, token);
  const baseUnits = parsePayment(amount, decimals);
  const done = await withdraw(client, { token, amount: baseUnits, to, asCluster });
  const [{ pool }, { wallet }] = await Promise.all([
    getBalances(client, token, account),
    getBalances(client, token, actor),
  ]);
  const facts = { account, token, amount: baseUnits, to, pool, wallet, ...done };
  printResult(command, facts, () => {
    return `sent ${amount} ${name} to ${to}; ${formatAmount(pool, decimals)} ${name} are left in the escrow, promised to nobody`;
  });
}

/** What stands after the transaction, not what was asked for. */
async function report(
  command: Command,
  { client, account }: Purse,
  { channel, name, whom, releaseBy }: Promised,
  done: Done,
): Promise<void> {
  const [{ pool, decimals }, status] = await Promise.all([
    getBalances(client, channel.token, account),
    getCollectStatus(client, { ...channel, payer: account }),
  ]);
  const { reserve: reserved, thawing, thawEndsAt } = status;
  printResult(command, { account, ...channel, reserve: reserved, thawing, thawEndsAt, pool, ...done }, () => {
    const show = (baseUnits: bigint) => `${formatAmount(baseUnits, decimals)} ${name}`;
    const wait = `, ${show(thawing)} thawing until ${formatTime(thawEndsAt)} (then "${releaseBy}")`;
    const stands = `${show(reserved)} reserved for ${whom}${thawing === 0n ? "" : wait}`;
    return `${stands}; ${show(pool)} in the escrow, promised to nobody`;
  });
}
