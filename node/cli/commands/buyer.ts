import { getBalances, getCollectStatus, listReserves, tokenAddress } from "@leat/sdk/client/actions/account.ts";
import { getClusterAccount } from "@leat/sdk/client/actions/cluster.ts";
import { countClusters } from "@leat/sdk/client/clusters.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import { clusterAccountOf } from "@leat/sdk/protocol/cluster-account.ts";
import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { openAccount } from "../account-client.ts";
import { readCluster } from "../arguments.ts";
import { describeRisk, renderBuyer } from "../buyer-report.ts";
import { readAllotments, registerSigners, showAllotments } from "../buyer-signers.ts";
import { depositMoney, ownPurse } from "../escrow-money.ts";
import { askPayments, presentAnswer } from "../node-answer.ts";
import { printResult, renderTable } from "../output.ts";
import { acceptSettings } from "../settings-flags.ts";
import { acceptPayee, assertCollectable, type PayeeFlags, readPromised } from "./buyer/payee.ts";
import { registerTakeBack } from "./buyer/take-back.ts";

interface ClusterFlag {
  readonly cluster?: string;
}

/** Clusters that a payee is looked for among: some 10 ms. */
const MAX_NAMED = 1_000;

export function register(program: Command): void {
  const buyer = program.command("buyer").description("pay for streams");
  acceptPayee(buyer.command("deposit <amount> <token>"))
    .description("put money into the escrow, and with --cluster or --payee promise it at once")
    .option("--force", "reserve also for a payee that is no operator's node")
    .action(async (amount: string, token: string, flags: PayeeFlags, command: Command) => {
      const purse = ownPurse(await openAccount(command, 2));
      const { client } = purse;
      // Before any money moves: a cluster that does not exist is a slip of the pen.
      const isPromised = flags.cluster !== undefined || flags.payee !== undefined;
      const promised = isPromised ? await readPromised(client, token, flags) : undefined;
      if (promised !== undefined) await assertCollectable(client, flags, promised.channel);
      const reserveBy = `leat buyer reserve ${amount} ${token} --cluster ID`;
      await depositMoney(command, purse, { amount, token, promised, reserveBy });
    });
  acceptSettings(buyer.command("status"))
    .description("show the deposit, what is reserved for whom, what thaws, and what can be lost at most now")
    .option("--cluster <id>", "show what is reserved for this cluster alone")
    .action(async (flags: ClusterFlag, command: Command) => {
      const { client, key, settings } = await openAccount(command, 0);
      const cluster = parseCluster(flags);
      const payee = cluster === undefined ? undefined : await getClusterAccount(client, cluster);
      const { account: paying } = settings.purchases;
      const payer = paying === "" ? key.address : toAddress(paying);
      const tokens = await Promise.all(
        Object.entries(client.deployment.tokens).map(async ([name]) => {
          const token = tokenAddress(client, name);
          const balances = await getBalances(client, token, payer);
          const channel = payee === undefined ? undefined : await getCollectStatus(client, { payer, payee, token });
          return { name, ...balances, channel };
        }),
      );
      const clusters = await listClusterAccounts(client);
      if (payee !== undefined && cluster !== undefined) clusters.set(payee, cluster);
      const names = new Map([...clusters].map(([account, id]) => [account, `cluster ${id}`]));
      const [agent, all, signers] = await Promise.all([
        askPayments(settings),
        listReserves(client, payer),
        readAllotments(client, payer, clusters, payee),
      ]);
      const reserves = all.filter(({ channel }) => payee === undefined || channel.payee === payee);
      const channels = agent.payments?.channels.filter((channel) => channel.payer.toLowerCase() === payer);
      const totals = agent.payments?.totals;
      const told = { agent: presentAnswer(agent), channels: channels ?? null, totals: totals ?? null };
      printResult(command, { account: payer, cluster, tokens, reserves, signers, ...told }, () => {
        const keys = signers.length === 0 ? [] : [renderTable(showAllotments(signers, tokens))];
        const money = { tokens, reserves, agent, payer, names, signers };
        return [renderBuyer(money), ...keys, describeRisk(money)].join("\n\n");
      });
    });
  registerTakeBack(buyer);
  registerSigners(buyer);
}

/** Reckoned, not asked for: an account follows from its cluster's number. */
async function listClusterAccounts(client: LeatClient): Promise<Map<Address, bigint>> {
  const count = Number(await countClusters(client));
  const ids = Array.from({ length: Math.min(count, MAX_NAMED) }, (_, index) => BigInt(index + 1));
  return new Map(ids.map((id) => [clusterAccountOf(id), id]));
}

function parseCluster({ cluster }: ClusterFlag): bigint | undefined {
  return cluster === undefined ? undefined : readCluster(cluster);
}
