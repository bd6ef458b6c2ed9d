import type { Command } from "commander";
import { createNode, type LeatNode } from "../../app/node.ts";
import { acceptSettings, loadSettings } from "../settings-flags.ts";

export function register(program: Command): void {
  acceptSettings(program.command("start").description("run this node until it is told to stop")).action(
    async (_options: unknown, command: Command) => {
      const { values } = loadSettings(command);
      const node = await createNode(values);
      const told = whenTold();
      await startOrStop(node);
      const { address } = node.foundation.key;
      process.stdout.write(`${JSON.stringify({ ready: true, address, roles: values.node.roles })}\n`);
      await told;
      await node.stop();
    },
  );
}

/** A node that failed to start has stopped what was up; its native handles must not hold the process. */
async function startOrStop(node: LeatNode): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    await node.stop().catch(() => undefined);
    throw error;
  }
}

/** Resolves at the first SIGINT or SIGTERM. A second one ends the process at once: everything promised is on disk. */
function whenTold(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const hear = () => {
      if (told) process.exit(130);
      told = true;
      resolve();
    };
    process.on("SIGINT", hear);
    process.on("SIGTERM", hear);
  });
}
