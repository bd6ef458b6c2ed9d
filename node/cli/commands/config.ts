import type { Command } from "commander";
import { type ConfigRow, describeConfig } from "../../config/describe-config.ts";
import { sections } from "../../config/sections.ts";
import { printResult } from "../output.ts";
import { acceptSettings, loadSettings } from "../settings-flags.ts";

export function register(program: Command): void {
  const config = program.command("config").description("show settings and where they come from");
  acceptSettings(config.command("print"))
    .description("print every setting, its value and what set it; secrets as ***")
    .action((_options: unknown, command: Command) => {
      const rows = describeConfig(sections, loadSettings(command));
      printResult(command, { settings: rows }, () => renderSettings(rows));
    });
}

/** A line for each setting. Values are as long as they are: one that names many things must not push all others out. */
function renderSettings(rows: readonly ConfigRow[]): string {
  const width = Math.max(...rows.map(({ key }) => key.length));
  return rows
    .map(({ key, value, origin }) => `${key.padEnd(width)}  ${JSON.stringify(value) ?? "-"}  (${origin})`)
    .join("\n");
}
