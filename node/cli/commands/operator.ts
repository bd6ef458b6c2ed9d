import { getBalances, listCollections } from "@leat/sdk/client/actions/account.ts";
import { listMemberships } from "@leat/sdk/client/actions/memberships.ts";
import { getOperatorStatus } from "@leat/sdk/client/actions/operator.ts";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import { formatAmount } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { openAccount } from "../account-client.ts";
import { renderChannels, renderTotals } from "../channel-table.ts";
import { askPayments, type NodeAnswer, presentAnswer } from "../node-answer.ts";
import { printResult, renderTable } from "../output.ts";
import { acceptSettings } from "../settings-flags.ts";
import { renderStanding } from "./operator/acting.ts";
import { registerEarnings } from "./operator/earnings.ts";
import { registerNodeKeys } from "./operator/node-keys.ts";
import { registerStake } from "./operator/stake.ts";

export function register(program: Command): void {
  const operator = program.command("operator").description("stake, node keys, and what a node earns");
  registerStake(operator);
  registerNodeKeys(operator);
  registerEarnings(operator);
  acceptSettings(operator.command("status"))
    .description("show the stake behind this node, what it earned, and what it could lose now")
    .action(async (_options: unknown, command: Command) => {
      const { client, key, settings } = await openAccount(command, 0);
      const status = await getOperatorStatus(client, key.address);
      const [memberships, collections, answer] = await Promise.all([
        status === undefined ? [] : listMemberships(client, status.operator),
        listCollections(client, { payee: key.address }),
        askPayments(settings),
      ]);
      const { payments } = answer;
      const earned = await Promise.all(
        Object.entries(client.deployment.tokens).map(async ([name, address]) => {
          const token = toAddress(address);
          const paid = collections.filter((collection) => collection.token === token);
          const collected = paid.reduce((sum, { amount }) => sum + amount, 0n);
          const { decimals, pool } = await getBalances(client, token, status?.beneficiary ?? key.address);
          // What a pushed payment could not bring is credited as well.
          const credited = status === undefined ? 0n : pool;
          return { name, token, decimals, collected, payments: paid.length, credited };
        }),
      );
      printResult(
        command,
        {
          node: key.address,
          operator: status ?? null,
          memberships,
          earned,
          answer: presentAnswer(answer),
          channels: payments?.channels ?? null,
          totals: payments?.totals ?? null,
        },
        () =>
          [
            `node      ${key.address}`,
            status === undefined
              ? "operator  none: this key belongs to no operator yet"
              : renderStanding(status, memberships, (baseUnits) => formatAmount(baseUnits, 18)),
            "",
            renderTable(
              earned.map(({ name, collected, decimals, payments, credited }) => ({
                token: name,
                collected: formatAmount(collected, decimals),
                payments,
                "credited in the escrow": formatAmount(credited, decimals),
              })),
            ),
            ...(earned.some(({ credited }) => credited > 0n)
              ? [
                  `${status?.beneficiary} takes out what is credited: "leat operator withdraw-earnings AMOUNT TOKEN --key FILE".`,
                ]
              : []),
            "",
            payments === undefined
              ? describeSilence(answer)
              : [renderChannels(payments.channels, earned, key.address), renderTotals(payments.totals, earned)]
                  .filter((table) => table !== "")
                  .join("\n\n"),
          ].join("\n"),
      );
    });
}

function describeSilence({ url, silence }: NodeAnswer): string {
  return [
    `The node at ${url} ${silence}: what stands above is the chain's.`,
    "What it earned and has not collected yet, and what it could lose now, is not known; start it, or correct node.httpUrl.",
  ].join("\n");
}
