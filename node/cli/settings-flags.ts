import type { Command } from "commander";
import { type LoadedConfig, loadConfig } from "../config/load-config.ts";
import { type NodeSections, sections } from "../config/sections.ts";

/** Lets a command take every setting as a flag, and `--config FILE`. */
export function acceptSettings(command: Command): Command {
  return command
    .option("--config <file>", "JSON file of settings")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText("after", "\nEvery setting is a flag too: --section.name value (docs/operations/configuration.md).");
}

/** The settings of a command that `acceptSettings` prepared: what it did not know itself are flags. */
export function loadSettings(command: Command): LoadedConfig<NodeSections> {
  const { config: file } = command.opts<{ config?: string }>();
  return loadConfig({ sections, argv: command.args, env: process.env, file });
}
