import { addBalancer, removeBalancer } from "@leat/sdk/client/actions/cluster.ts";
import type { Command } from "commander";
import { loadKeyFile } from "../../../kernel/keys.ts";
import { readAddress } from "../../arguments.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";
import { openActing, owner, reportCluster } from "./acting.ts";
import { renderBalancers } from "./report.ts";

/** Whose signatures count as the cluster's. */
export function registerBalancers(cluster: Command): void {
  acceptKey(cluster.command("add-balancer <id>"), owner)
    .description("let another key sign vouchers for the cluster")
    .requiredOption("--balancer-key <file>", "key file of the balancer")
    .action(async (id: string, flags: KeyFlag & { readonly balancerKey: string }, command: Command) => {
      const { signer } = await loadKeyFile(flags.balancerKey);
      const acting = await openActing(command, 1, { ...flags, id });
      const done = await addBalancer(acting.client, { cluster: acting.cluster, balancer: signer });
      await reportCluster(command, acting, done, (status) => `balancers: ${renderBalancers(status)}`);
    });
  acceptKey(cluster.command("remove-balancer <id> <address>"), owner)
    .description("end a balancer key for ever; what it signed counts for one more thaw")
    .action(async (id: string, text: string, flags: KeyFlag, command: Command) => {
      const balancer = readAddress(text, "a balancer");
      const acting = await openActing(command, 2, { ...flags, id });
      const done = await removeBalancer(acting.client, { cluster: acting.cluster, balancer });
      await reportCluster(command, acting, done, (status) => `balancers: ${renderBalancers(status)}`);
    });
}
