import { getBalances, listReserves } from "@leat/sdk/client/actions/account.ts";
import { createCluster, getCluster } from "@leat/sdk/client/actions/cluster.ts";
import { listMembers } from "@leat/sdk/client/actions/memberships.ts";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { loadKeyFile } from "../../kernel/keys.ts";
import { openAccount, openReader } from "../account-client.ts";
import { readCluster, readShare } from "../arguments.ts";
import { readTerms } from "../endpoint.ts";
import { acceptKey, type KeyFlag } from "../key-flag.ts";
import { printResult } from "../output.ts";
import { acceptSettings } from "../settings-flags.ts";
import { registerBalancers } from "./cluster/balancers.ts";
import { registerMembers } from "./cluster/members.ts";
import { registerMoney } from "./cluster/money.ts";
import { renderCluster, renderMembers, renderMoney } from "./cluster/report.ts";
import { registerTerms } from "./cluster/terms.ts";
import { registerTransfer } from "./cluster/transfer.ts";

interface CreateFlags extends KeyFlag {
  readonly terms: string;
  readonly balancerKey: readonly string[];
  readonly share: string;
  readonly unlisted?: boolean;
  readonly approval?: boolean;
}

export function register(program: Command): void {
  const cluster = program
    .command("cluster")
    .description("make a cluster, say who is in and what it asks, move its money");
  acceptKey(cluster.command("create"), "the account that will own it")
    .description("create a cluster")
    .requiredOption("--terms <url>", "where its terms are to be read")
    .option("--balancer-key <file>", "key file of a balancer, again for each (default: none yet)", append, [])
    .option("--share <percent>", "its share of a payment, per cent", "0")
    .option("--unlisted", "do not show it to everybody who looks for a cluster")
    .option("--approval", "let in whom the owner approves, in place of everybody")
    .action(async (flags: CreateFlags, command: Command) => {
      const [terms, sharePpm] = [readTerms(flags.terms), readShare(flags.share)];
      const keys = await Promise.all(flags.balancerKey.map((file) => loadKeyFile(file)));
      const { client, key } = await openAccount(command, 0, flags.key);
      const balancers = keys.map(({ signer }) => signer);
      const access = { listed: flags.unlisted !== true, approval: flags.approval === true };
      const made = await createCluster(client, { terms, balancers, sharePpm, ...access });
      const facts = { ...made, owner: key.address, balancers: keys.map(({ address }) => address) };
      printResult(command, facts, () => `created cluster ${made.cluster}, whose account is ${made.account}`);
    });
  acceptSettings(cluster.command("show <id>"))
    .description("show who owns it, what it asks, who signs for it, who is in, and what its account holds")
    .action(async (id: string, _flags: unknown, command: Command) => {
      const number = readCluster(id);
      const { client } = await openReader(command, 1);
      const status = await getCluster(client, number);
      const [members, reserves, tokens] = await Promise.all([
        listMembers(client, number),
        listReserves(client, status.account),
        Promise.all(
          Object.entries(client.deployment.tokens).map(async ([name, address]) => {
            const { token, decimals, pool } = await getBalances(client, toAddress(address), status.account);
            return { name, token, decimals, pool };
          }),
        ),
      ]);
      const { nextShare = null, transfer = null } = status;
      printResult(command, { ...status, nextShare, transfer, members, tokens, reserves }, () =>
        [renderCluster(status), renderMembers(members), renderMoney(tokens, reserves)].join("\n\n"),
      );
    });
  registerMembers(cluster);
  registerBalancers(cluster);
  registerTerms(cluster);
  registerTransfer(cluster);
  registerMoney(cluster);
}

function append(file: string, files: readonly string[]): readonly string[] {
  return [...files, file];
}
