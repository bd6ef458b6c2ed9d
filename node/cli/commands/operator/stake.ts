import { acceptCluster, leaveCluster } from "@leat/sdk/client/actions/memberships.ts";
import { joinOperator } from "@leat/sdk/client/actions/operator.ts";
import {
  cancelSponsoredThaw,
  cancelStakeThaw,
  getSponsorship,
  getStake,
  sponsorOperator,
  thawSponsored,
  thawStake,
  topUpStake,
  withdrawSponsored,
  withdrawStake,
} from "@leat/sdk/client/actions/stake.ts";
import { assertCluster } from "@leat/sdk/client/clusters.ts";
import type { Done } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { loadKeyFile } from "../../../kernel/keys.ts";
import { readAddress, readCluster, readRecipient, readShare } from "../../arguments.ts";
import { readEndpoint } from "../../endpoint.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";
import { printResult } from "../../output.ts";
import { type Acting, openActing, renderStake } from "./acting.ts";

interface JoinFlags extends KeyFlag {
  readonly endpoint: string;
  readonly cluster?: string;
  readonly maximumShare: string;
  readonly beneficiary?: string;
  readonly push?: boolean;
}

interface ToFlag extends KeyFlag {
  readonly to?: string;
}

const owner = "the operator's own account";

export function registerStake(operator: Command): void {
  registerOwn(operator);
  registerSponsors(operator);
  acceptKey(operator.command("accept <cluster>"), owner)
    .description("accept a cluster and the largest share of pay that it may take")
    .requiredOption("--maximum-share <percent>", "largest share, per cent")
    .action(async (id: string, flags: KeyFlag & { maximumShare: string }, command: Command) => {
      const [cluster, maximumSharePpm] = [readCluster(id), readShare(flags.maximumShare)];
      const { client } = await openActing(command, 1, flags);
      const done = await acceptCluster(client, { cluster, maximumSharePpm });
      printResult(command, { cluster, maximumSharePpm, ...done }, () => `accepted cluster ${id}`);
    });
  acceptKey(operator.command("leave <cluster>"), owner)
    .description("leave a cluster; what was earned there stays collectable")
    .action(async (id: string, flags: KeyFlag, command: Command) => {
      const cluster = readCluster(id);
      const { client } = await openActing(command, 1, flags);
      printResult(command, { cluster, ...(await leaveCluster(client, cluster)) }, () => `left cluster ${id}`);
    });
}

function registerOwn(operator: Command): void {
  acceptKey(operator.command("join <amount>"), owner)
    .description("stake, add this node, publish where it answers and accept a cluster, in one transaction")
    .requiredOption("--endpoint <url>", "where the node's signed offer is to be had")
    .option("--cluster <id>", "cluster to accept")
    .option("--maximum-share <percent>", "largest share of pay that the cluster may take, per cent", "0")
    .option("--beneficiary <address>", "who receives proceeds (default: the operator's account)")
    .option("--push", "have proceeds sent rather than credited in the escrow")
    .action(async (amount: string, flags: JoinFlags, command: Command) => {
      const endpoint = readEndpoint(flags.endpoint);
      const cluster = flags.cluster === undefined ? undefined : readCluster(flags.cluster);
      const maximumSharePpm = readShare(flags.maximumShare);
      const beneficiary = flags.beneficiary === undefined ? undefined : readAddress(flags.beneficiary, "--beneficiary");
      const { client, key, settings, parse } = await openActing(command, 1, flags);
      // One that was named: 0 is none, and nobody joins twice.
      if (cluster !== undefined) await assertCluster(client, cluster);
      const node = await loadKeyFile(settings.node.keyFile);
      const stake = parse(amount);
      const { push: pushPayouts = false } = flags;
      const input = { stake, node: node.signer, endpoint, cluster, maximumSharePpm, beneficiary, pushPayouts };
      const done = await joinOperator(client, input);
      const facts = { operator: key.address, node: node.address, stake, cluster, ...done };
      printResult(command, facts, () => `${key.address} joined with ${amount} at stake and node ${node.address}`);
    });
  acceptKey(operator.command("top-up <amount>"), owner)
    .description("add to the stake")
    .action(async (amount: string, flags: KeyFlag, command: Command) => {
      const acting = await openActing(command, 1, flags);
      await reportOwn(command, acting, await topUpStake(acting.client, acting.parsePayment(amount)));
    });
  acceptKey(operator.command("thaw <amount>"), owner)
    .description("start to take stake out; it stays slashable until withdrawn")
    .action(async (amount: string, flags: KeyFlag, command: Command) => {
      const acting = await openActing(command, 1, flags);
      await reportOwn(command, acting, await thawStake(acting.client, acting.parsePayment(amount)));
    });
  acceptKey(operator.command("cancel-thaw"), owner)
    .description("return what thaws to the stake")
    .action(async (flags: KeyFlag, command: Command) => {
      const acting = await openActing(command, 0, flags);
      await reportOwn(command, acting, await cancelStakeThaw(acting.client));
    });
  acceptKey(operator.command("withdraw"), owner)
    .description("take out the stake that has thawed")
    .option("--to <address>", "who receives it (default: the operator's account)")
    .action(async (flags: ToFlag, command: Command) => {
      const to = readRecipient(flags.to);
      const acting = await openActing(command, 0, flags);
      await reportOwn(command, acting, await withdrawStake(acting.client, to));
    });
}

function registerSponsors(operator: Command): void {
  acceptKey(operator.command("sponsor <operator> <amount>"), "the sponsor")
    .description("put stake behind another operator; only its sponsor takes it out, and it is slashed like the rest")
    .action(async (whom: string, amount: string, flags: KeyFlag, command: Command) => {
      const behind = readAddress(whom, "an operator");
      const acting = await openActing(command, 2, flags);
      const input = { operator: behind, amount: acting.parsePayment(amount) };
      await reportSponsored(command, acting, behind, await sponsorOperator(acting.client, input));
    });
  acceptKey(operator.command("thaw-sponsored <operator> <amount>"), "the sponsor")
    .description("start to take stake out from behind an operator")
    .action(async (whom: string, amount: string, flags: KeyFlag, command: Command) => {
      const behind = readAddress(whom, "an operator");
      const acting = await openActing(command, 2, flags);
      const input = { operator: behind, amount: acting.parsePayment(amount) };
      await reportSponsored(command, acting, behind, await thawSponsored(acting.client, input));
    });
  acceptKey(operator.command("cancel-sponsored-thaw <operator>"), "the sponsor")
    .description("let what thaws behind an operator stand again")
    .action(async (whom: string, flags: KeyFlag, command: Command) => {
      const behind = readAddress(whom, "an operator");
      const acting = await openActing(command, 1, flags);
      await reportSponsored(command, acting, behind, await cancelSponsoredThaw(acting.client, behind));
    });
  acceptKey(operator.command("withdraw-sponsored <operator>"), "the sponsor")
    .description("take out what has thawed behind an operator")
    .option("--to <address>", "who receives it (default: the sponsor)")
    .action(async (whom: string, flags: ToFlag, command: Command) => {
      const behind = readAddress(whom, "an operator");
      const to = readRecipient(flags.to);
      const acting = await openActing(command, 1, flags);
      const done = await withdrawSponsored(acting.client, { operator: behind, to });
      await reportSponsored(command, acting, behind, done);
    });
}

/** What the operator has after the transaction, not what was asked for. */
async function reportOwn(command: Command, { client, key, format }: Acting, done: Done): Promise<void> {
  const stake = await getStake(client, key.address);
  printResult(command, { operator: key.address, ...stake, ...done }, () => renderStake(stake, format));
}

async function reportSponsored(command: Command, acting: Acting, operator: Address, done: Done): Promise<void> {
  const { client, key, format } = acting;
  const stake = await getSponsorship(client, { operator, sponsor: key.address });
  const facts = { operator, sponsor: key.address, ...stake, ...done };
  printResult(command, facts, () => `behind ${operator}: ${renderStake(stake, format)}`);
}
