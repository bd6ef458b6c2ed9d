import {
  deposit,
  getBalances,
  getCollectStatus,
  getDecimals,
  reserve,
  tokenAddress,
} from "@leat/sdk/client/actions/account.ts";
import { getClusterAccount } from "@leat/sdk/client/actions/operator.ts";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import { formatAmount, parseAmount } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { openAccount } from "../account-client.ts";
import { readAllotments, registerSigners, showAllotments } from "../buyer-signers.ts";
import { askPayments, renderChannels, renderTotals } from "../channel-table.ts";
import { printResult, renderTable, UsageError } from "../output.ts";
import { acceptSettings } from "../settings-flags.ts";

interface ClusterFlag {
  readonly cluster?: string;
}

export function register(program: Command): void {
  const buyer = program.command("buyer").description("pay for streams");
  acceptSettings(buyer.command("deposit <amount> <token>"))
    .description("put money into the escrow, and with --cluster promise it to that cluster")
    .option("--cluster <id>", "cluster to reserve it for")
    .action(async (amount: string, token: string, flags: ClusterFlag, command: Command) => {
      const { client, key } = await openAccount(command, 2);
      const address = tokenAddress(client, token);
      const baseUnits = parseAmount(amount, await getDecimals(client, address));
      // Before any money moves: a cluster that does not exist is a slip of the pen.
      const cluster = parseCluster(flags);
      const payee = cluster === undefined ? undefined : await getClusterAccount(client, cluster);
      const deposited = await deposit(client, { token: address, amount: baseUnits });
      const reserved =
        payee === undefined ? undefined : await reserve(client, { payee, token: address, amount: baseUnits });
      const facts = {
        account: key.address,
        token: address,
        amount: baseUnits,
        deposited: deposited.transaction,
        reserved: reserved?.transaction,
        payee,
      };
      const purpose = payee === undefined ? "" : `, reserved for cluster ${cluster}`;
      printResult(command, facts, () => `deposited ${amount} ${token}${purpose}`);
    });
  acceptSettings(buyer.command("status"))
    .description("show what is deposited, and with --cluster what is promised to that cluster and collected")
    .option("--cluster <id>", "cluster to show the channel of")
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
      const agent = await askPayments(settings.node.httpUrl || `http://${settings.http.host}:${settings.http.port}`);
      const channels = agent?.channels.filter((channel) => channel.payer.toLowerCase() === payer);
      const signers = await readAllotments(client, payer, cluster);
      printResult(
        command,
        { account: payer, cluster, tokens, signers, channels: channels ?? null, totals: agent?.totals ?? null },
        () => {
          const balances = renderTable(
            tokens.map(({ name, decimals, wallet, pool, channel }) => ({
              token: name,
              wallet: formatAmount(wallet, decimals),
              deposited: formatAmount(pool, decimals),
              ...(channel === undefined
                ? {}
                : {
                    reserved: formatAmount(channel.reserve, decimals),
                    thawing: formatAmount(channel.thawing, decimals),
                    collected: formatAmount(channel.collected, decimals),
                  }),
            })),
          );
          const paid =
            channels === undefined || agent === undefined
              ? "The agent does not answer: what is vouchered and not collected yet is not known."
              : `${renderChannels(channels, tokens, "payee")}\n\n${renderTotals(agent.totals, tokens)}`;
          const keys = signers.length === 0 ? [] : [renderTable(showAllotments(signers, tokens))];
          return [balances, ...keys, paid].join("\n\n");
        },
      );
    });
  registerSigners(buyer);
}

function parseCluster({ cluster }: ClusterFlag): bigint | undefined {
  if (cluster === undefined) return undefined;
  if (!/^[0-9]{1,78}$/.test(cluster)) throw new UsageError(`--cluster is a number, not ${cluster}`);
  return BigInt(cluster);
}
