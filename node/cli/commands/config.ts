import type { Command } from "commander";
import { describeConfig } from "../../config/describe-config.ts";
import { sections } from "../../config/sections.ts";
import { printResult, renderTable } from "../output.ts";
import { acceptSettings, loadSettings } from "../settings-flags.ts";

export function register(program: Command): void {
  const config = program.command("config").description("show settings and where they come from");
  acceptSettings(config.command("print"))
    .description("print every setting, its value and what set it; secrets as ***")
    .action((_options: unknown, command: Command) => {
      const rows = describeConfig(sections, loadSettings(command));
      printResult(command, { settings: rows }, () =>
        renderTable(rows.map((row) => ({ ...row, value: JSON.stringify(row.value) }))),
      );
    });
}
