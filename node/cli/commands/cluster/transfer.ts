import { acceptTransfer, cancelTransfer, startTransfer } from "@leat/sdk/client/actions/cluster.ts";
import type { Command } from "commander";
import { readAddress } from "../../arguments.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";
import { openActing, owner, reportCluster } from "./acting.ts";
import { renderTransfer } from "./report.ts";

/** Into other hands. */
export function registerTransfer(cluster: Command): void {
  acceptKey(cluster.command("transfer <id> <new-owner>"), owner)
    .description("let another account take the cluster over, with all that its account holds, after a wait")
    .action(async (id: string, text: string, flags: KeyFlag, command: Command) => {
      const newOwner = readAddress(text, "a new owner");
      const acting = await openActing(command, 2, { ...flags, id });
      const done = await startTransfer(acting.client, { cluster: acting.cluster, newOwner });
      await reportCluster(command, acting, done, renderTransfer);
    });
  acceptKey(cluster.command("cancel-transfer <id>"), owner)
    .description("keep the cluster")
    .action(async (id: string, flags: KeyFlag, command: Command) => {
      const acting = await openActing(command, 1, { ...flags, id });
      const done = await cancelTransfer(acting.client, acting.cluster);
      await reportCluster(command, acting, done, (status) => `cluster ${id} stays ${status.owner}'s`);
    });
  acceptKey(cluster.command("take-over <id>"), "the new owner")
    .description("take over a cluster whose owner named you; its balancer keys end, add your own")
    .action(async (id: string, flags: KeyFlag, command: Command) => {
      const acting = await openActing(command, 1, { ...flags, id });
      const done = await acceptTransfer(acting.client, acting.cluster);
      const next = `add your balancers by "leat cluster add-balancer ${id}"`;
      await reportCluster(command, acting, done, (status) => `cluster ${id} is ${status.owner}'s; ${next}`);
    });
}
