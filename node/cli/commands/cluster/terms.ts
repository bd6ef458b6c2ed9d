import { getCluster, setAccess, setShare, setTerms } from "@leat/sdk/client/actions/cluster.ts";
import type { Command } from "commander";
import { readShare } from "../../arguments.ts";
import { readTerms } from "../../endpoint.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";
import { UsageError } from "../../output.ts";
import { openActing, owner, reportCluster } from "./acting.ts";
import { renderAccess, renderShare } from "./report.ts";

interface AccessFlags extends KeyFlag {
  readonly listed?: boolean;
  readonly unlisted?: boolean;
  readonly open?: boolean;
  readonly approval?: boolean;
}

/** What the cluster asks, and how one comes to it. */
export function registerTerms(cluster: Command): void {
  acceptKey(cluster.command("share <id> <percent>"), owner)
    .description("ask another share of a payment: a lower one at once, a higher one after a wait")
    .action(async (id: string, percent: string, flags: KeyFlag, command: Command) => {
      const sharePpm = readShare(percent);
      const acting = await openActing(command, 2, { ...flags, id });
      const done = await setShare(acting.client, { cluster: acting.cluster, sharePpm });
      await reportCluster(command, acting, done, renderShare);
    });
  acceptKey(cluster.command("access <id>"), owner)
    .description("say who finds the cluster and who comes in; what is not named stays as it is")
    .option("--listed", "show it to everybody who looks for a cluster")
    .option("--unlisted", "do not")
    .option("--open", "let in every operator that accepts it")
    .option("--approval", "let in whom the owner approves")
    .action(async (id: string, flags: AccessFlags, command: Command) => {
      const listed = choose(flags, "listed", "unlisted");
      const approval = choose(flags, "approval", "open");
      if (listed === undefined && approval === undefined) {
        throw new UsageError("name what is to change: --listed or --unlisted, --open or --approval");
      }
      const acting = await openActing(command, 1, { ...flags, id });
      const { client, cluster: number } = acting;
      const now = await getCluster(client, number);
      const access = { listed: listed ?? now.listed, approval: approval ?? now.approval };
      const done = await setAccess(client, { cluster: number, ...access });
      await reportCluster(command, acting, done, renderAccess);
    });
  acceptKey(cluster.command("terms <id> <url>"), owner)
    .description("say anew where the terms are to be read")
    .action(async (id: string, url: string, flags: KeyFlag, command: Command) => {
      const terms = readTerms(url);
      const acting = await openActing(command, 2, { ...flags, id });
      const done = await setTerms(acting.client, { cluster: acting.cluster, terms });
      await reportCluster(command, acting, done, (status) => `terms: ${status.terms}`);
    });
}

/** Whether the first of two was named, or the second; undefined where neither was. */
function choose(flags: AccessFlags, yes: keyof AccessFlags, no: keyof AccessFlags): boolean | undefined {
  if (flags[yes] === true && flags[no] === true) throw new UsageError(`--${yes} and --${no} are both given`);
  if (flags[yes] === true) return true;
  return flags[no] === true ? false : undefined;
}
