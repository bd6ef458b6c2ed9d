import type { Command } from "commander";
import { acceptSettings } from "./settings-flags.ts";

/** An owner, a manager or a sponsor acts, never the node's key: what they own stays off the machine. */
export interface KeyFlag {
  readonly key: string;
}

export function acceptKey(command: Command, whose: string): Command {
  return acceptSettings(command).requiredOption("--key <file>", `key file of ${whose}`);
}
