import {
  cancelThaw,
  type ReserveInput,
  release,
  reserve,
  thaw,
  tokenAddress,
} from "@leat/sdk/client/actions/account.ts";
import { getCluster, getClusterAccount } from "@leat/sdk/client/actions/cluster.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import { ClientError, type Done } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { openAccount } from "../../account-client.ts";
import { readAddress, readCluster, readRecipient } from "../../arguments.ts";
import {
  type Channel,
  changeReserve,
  depositMoney,
  endThaw,
  type Promised,
  type Purse,
  withdrawPool,
} from "../../escrow-money.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";
import { assertCollectable } from "../buyer/payee.ts";
import { owner } from "./acting.ts";

interface DepositFlags extends KeyFlag {
  readonly payee?: string;
  readonly force?: boolean;
}

interface PayeeFlag extends DepositFlags {
  readonly payee: string;
}

const ownerOrBalancer = "the cluster's owner or a balancer";
const payeeFlag = ["--payee <address>", "the node that it is reserved for"] as const;

/** What buyers do with their own money, with that of a cluster's account: it pays its members from there. */
export function registerMoney(cluster: Command): void {
  acceptKey(cluster.command("deposit <id> <amount> <token>"), `${ownerOrBalancer}, which pays`)
    .description("put money into the cluster's account, and with --payee promise it at once")
    .option(...payeeFlag)
    .option("--force", "pay with any account's key, or reserve for a payee that is no operator's node")
    .action(async (id: string, amount: string, token: string, flags: DepositFlags, command: Command) => {
      const purse = await openPurse(command, 3, { ...flags, id });
      const { client, actor, asCluster } = purse;
      const promised = flags.payee === undefined ? undefined : readPromised(purse, token, flags.payee);
      // Before any money moves. Nobody else may promise it, forced or not.
      if (flags.force !== true || promised !== undefined) await assertActs(client, asCluster, actor);
      if (promised !== undefined) await assertCollectable(client, flags, promised.channel);
      const reserveBy = `leat cluster reserve ${id} ${amount} ${token} --payee NODE`;
      await depositMoney(command, purse, { amount, token, promised, reserveBy });
    });
  acceptKey(cluster.command("reserve <id> <amount> <token>"), ownerOrBalancer)
    .description("promise part of the cluster's deposit to a member's node")
    .requiredOption(...payeeFlag)
    .option("--force", "reserve also for a payee that is no operator's node")
    .action(changeBy(reserve, assertCollectable));
  acceptKey(cluster.command("thaw <id> <amount> <token>"), ownerOrBalancer)
    .description("start to take back what is reserved; it can still be collected until the wait is over")
    .requiredOption(...payeeFlag)
    .action(changeBy(thaw));
  acceptKey(cluster.command("cancel-thaw <id> <token>"), ownerOrBalancer)
    .description("return what thaws to the reserve")
    .requiredOption(...payeeFlag)
    .action(endBy(cancelThaw));
  acceptKey(cluster.command("release <id> <token>"), ownerOrBalancer)
    .description("move what has thawed into the cluster's deposit, promised to nobody")
    .requiredOption(...payeeFlag)
    .action(endBy(release));
  acceptKey(cluster.command("withdraw <id> <amount> <token>"), owner)
    .description("take money that is promised to nobody out of the cluster's account")
    .option("--to <address>", "who receives it (default: the owner)")
    .action(
      async (
        id: string,
        amount: string,
        token: string,
        flags: KeyFlag & { readonly to?: string },
        command: Command,
      ) => {
        const to = readRecipient(flags.to);
        await withdrawPool(command, await openPurse(command, 3, { ...flags, id }), { amount, token, to });
      },
    );
}

/** In the cluster's name. */
async function openPurse(
  command: Command,
  operands: number,
  { id, key: keyFile }: KeyFlag & { readonly id: string },
): Promise<Purse & { readonly asCluster: bigint }> {
  const asCluster = readCluster(id);
  const { client, key } = await openAccount(command, operands, keyFile);
  return { client, actor: key.address, account: await getClusterAccount(client, asCluster), asCluster };
}

/** What is deposited under a wrong number is another owner's. */
async function assertActs(client: LeatClient, cluster: bigint, account: Address): Promise<void> {
  const { owner: owns, balancers } = await getCluster(client, cluster);
  if (account === owns || balancers.includes(account)) return;
  throw new ClientError({ code: "CLIENT_CLUSTER_NOT_BALANCER", cluster, account });
}

function readPromised({ client, asCluster }: Purse, name: string, payeeText: string): Promised {
  const payee = readAddress(payeeText, "--payee");
  const releaseBy = `leat cluster release ${asCluster} ${name} --payee ${payee}`;
  return { channel: { token: tokenAddress(client, name), payee }, name, whom: payee, releaseBy };
}

type Check = (client: LeatClient, flags: PayeeFlag, channel: Channel) => Promise<void>;

function changeBy(act: (client: LeatClient, input: ReserveInput) => Promise<Done>, check: Check = async () => {}) {
  return async (id: string, amount: string, token: string, flags: PayeeFlag, command: Command) => {
    const purse = await openPurse(command, 3, { ...flags, id });
    const promised = readPromised(purse, token, flags.payee);
    await check(purse.client, flags, promised.channel);
    await changeReserve(command, purse, promised, { amount, act });
  };
}

function endBy(act: (client: LeatClient, input: Omit<ReserveInput, "amount">) => Promise<Done>) {
  return async (id: string, token: string, flags: PayeeFlag, command: Command) => {
    const purse = await openPurse(command, 2, { ...flags, id });
    await endThaw(command, purse, readPromised(purse, token, flags.payee), act);
  };
}
