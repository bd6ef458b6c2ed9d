import {
  acceptMember,
  getMembership,
  type MembershipStatus,
  refuseMember,
} from "@leat/sdk/client/actions/memberships.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import type { Done } from "@leat/sdk/client/transaction.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { readAddress } from "../../arguments.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";
import { printResult } from "../../output.ts";
import { openActing, owner } from "./acting.ts";

/** Who is in. */
export function registerMembers(cluster: Command): void {
  acceptKey(cluster.command("approve <id> <operator>"), owner)
    .description("let an operator in, before or after it accepts the cluster")
    .action(decide(acceptMember));
  acceptKey(cluster.command("refuse <id> <operator>"), owner)
    .description("keep an operator out, open or not, until it is approved; what it earned stays collectable")
    .action(decide(refuseMember));
}

function decide(
  act: (client: LeatClient, input: { readonly cluster: bigint; readonly operator: Address }) => Promise<Done>,
) {
  return async (id: string, text: string, flags: KeyFlag, command: Command) => {
    const operator = readAddress(text, "an operator");
    const { client, cluster } = await openActing(command, 2, { ...flags, id });
    const done = await act(client, { cluster, operator });
    const status = await getMembership(client, { cluster, operator });
    printResult(command, { ...status, ...done }, () => describe(status));
  };
}

function describe({ cluster, operator, accepted, approved }: MembershipStatus): string {
  if (!approved) return `cluster ${cluster} keeps ${operator} out`;
  if (accepted) return `${operator} is in cluster ${cluster}`;
  return `${operator} is in cluster ${cluster} once it accepts it ("leat operator accept ${cluster}")`;
}
