import type { Command } from "commander";
import type { LoadedConfig } from "../config/load-config.ts";
import { loadNodeConfig } from "../config/load-node-config.ts";
import type { NodeSections } from "../config/sections.ts";

/** Lets a command take every setting as a flag, `--config FILE` and `--network FILE`. */
export function acceptSettings(command: Command): Command {
  return command
    .option("--config <file>", "JSON file of settings")
    .option("--network <file>", "file of the network, or the name of one: short for --node.networkFile")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText("after", "\nEvery setting is a flag too: --section.name value (docs/operations/configuration.md).");
}

/**
 * The settings of a command that `acceptSettings` prepared: what it did not know itself are flags.
 * @param operands How many of the command's arguments are its own and no flags.
 */
export function loadSettings(command: Command, operands = 0): LoadedConfig<NodeSections> {
  const { config: file, network } = command.opts<{ config?: string; network?: string }>();
  const flags = network === undefined ? [] : [`--node.networkFile=${network}`];
  return loadNodeConfig({ argv: [...flags, ...command.args.slice(operands)], env: process.env, file });
}
