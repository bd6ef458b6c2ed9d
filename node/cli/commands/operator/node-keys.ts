import {
  addNode,
  revokeNode,
  rotateNode,
  setManager,
  setNodeEndpoint,
  setPayout,
} from "@leat/sdk/client/actions/node-keys.ts";
import type { Command } from "commander";
import { loadKeyFile } from "../../../kernel/keys.ts";
import { openAccount } from "../../account-client.ts";
import { readAddress } from "../../arguments.ts";
import { readEndpoint } from "../../endpoint.ts";
import { acceptKey, type KeyFlag } from "../../key-flag.ts";
import { printResult } from "../../output.ts";

interface EndpointFlag extends KeyFlag {
  readonly endpoint: string;
}

const ownerOrManager = "the operator's account or its manager";
const endpointFlag = ["--endpoint <url>", "where the node's signed offer is to be had"] as const;

export function registerNodeKeys(operator: Command): void {
  acceptKey(operator.command("add-node"), ownerOrManager)
    .description("add this node's key to an operator")
    .requiredOption(...endpointFlag)
    .option("--operator <address>", "the operator (default: the account that acts)")
    .action(async (flags: EndpointFlag & { operator?: string }, command: Command) => {
      const endpoint = readEndpoint(flags.endpoint);
      const whose = flags.operator === undefined ? undefined : readAddress(flags.operator, "--operator");
      const { client, key, settings } = await openAccount(command, 0, flags.key);
      const node = await loadKeyFile(settings.node.keyFile);
      const done = await addNode(client, { node: node.signer, endpoint, operator: whose });
      const facts = { operator: whose ?? key.address, node: node.address, ...done };
      printResult(command, facts, () => `added node ${node.address}`);
    });
  acceptKey(operator.command("rotate <lost>"), ownerOrManager)
    .description("end a lost node key and put this node's new key in its place, in one transaction")
    .requiredOption(...endpointFlag)
    .action(async (lostText: string, flags: EndpointFlag, command: Command) => {
      const lost = readAddress(lostText, "a node");
      const endpoint = readEndpoint(flags.endpoint);
      const { client, settings } = await openAccount(command, 1, flags.key);
      const node = await loadKeyFile(settings.node.keyFile);
      const done = await rotateNode(client, { lost, node: node.signer, endpoint });
      printResult(command, { lost, node: node.address, ...done }, () => `${node.address} takes the place of ${lost}`);
    });
  acceptKey(operator.command("revoke <node>"), ownerOrManager)
    .description("end a node key for ever; what it is owed stays collectable")
    .action(async (nodeText: string, flags: KeyFlag, command: Command) => {
      const node = readAddress(nodeText, "a node");
      const { client } = await openAccount(command, 1, flags.key);
      printResult(command, { node, ...(await revokeNode(client, node)) }, () => `revoked ${node}`);
    });
  acceptKey(operator.command("set-endpoint <node> <url>"), ownerOrManager)
    .description("say anew where a node's signed offer is to be had")
    .action(async (nodeText: string, url: string, flags: KeyFlag, command: Command) => {
      const [node, endpoint] = [readAddress(nodeText, "a node"), readEndpoint(url)];
      const { client } = await openAccount(command, 2, flags.key);
      const done = await setNodeEndpoint(client, { node, endpoint });
      printResult(command, { node, endpoint, ...done }, () => `${node} answers at ${endpoint}`);
    });
  registerParties(operator);
}

/** Who acts and who is paid for an operator besides its own account. */
function registerParties(operator: Command): void {
  const owner = "the operator's own account";
  acceptKey(operator.command("set-manager <address>"), owner)
    .description('let another account keep the node keys, or with "none" nobody else')
    .action(async (text: string, flags: KeyFlag, command: Command) => {
      const manager = text === "none" ? undefined : readAddress(text, "a manager");
      const { client } = await openAccount(command, 1, flags.key);
      const done = await setManager(client, manager);
      printResult(command, { manager: manager ?? null, ...done }, () => `manager: ${manager ?? "none"}`);
    });
  acceptKey(operator.command("set-payout <address>"), owner)
    .description("choose who receives proceeds")
    .option("--push", "have proceeds sent rather than credited in the escrow")
    .action(async (text: string, flags: KeyFlag & { push?: boolean }, command: Command) => {
      const beneficiary = readAddress(text, "a beneficiary");
      const { client } = await openAccount(command, 1, flags.key);
      const pushPayouts = flags.push === true;
      const done = await setPayout(client, { beneficiary, pushPayouts });
      const how = pushPayouts ? "sent" : "credited";
      printResult(command, { beneficiary, pushPayouts, ...done }, () => `proceeds are ${how} to ${beneficiary}`);
    });
}
