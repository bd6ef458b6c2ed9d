import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { Command } from "commander";
import { createKeyFile, loadKeyFile, type NodeKey, toLibp2pKey } from "../../kernel/keys.ts";
import { printResult, UsageError } from "../output.ts";

const DEFAULT_FILE = ".leat/node.key";

export function register(program: Command): void {
  const keys = program.command("keys").description("make and show node keys");
  for (const [name, summary, open] of [
    ["create", "make a new node key; never replaces one", createKeyFile],
    ["show", "show the address and peer id of a node key, never the secret", loadKeyFile],
  ] as const) {
    keys
      .command(name)
      .description(summary)
      .option("--file <path>", "key file", DEFAULT_FILE)
      .action(async (options: { file: string }, command: Command) => {
        if (options.file === "") throw new UsageError("--file is empty, wanted is a path");
        const facts = describeKey(await open(options.file), options.file);
        printResult(
          command,
          facts,
          (told) => `address  ${told.address}\npeer id  ${told.peerId}\nfile     ${told.file}`,
        );
      });
  }
}

function describeKey(key: NodeKey, file: string): { address: string; peerId: string; file: string } {
  return { address: key.address, peerId: peerIdFromPrivateKey(toLibp2pKey(key)).toString(), file };
}
