import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { type CommandEntry, commands } from "./commands.ts";
import { reportError, UsageError } from "./output.ts";

/** Runs the command line `argv` (without the program's own name) and gives its exit code. */
export async function runProgram(
  argv: readonly string[],
  entries: readonly CommandEntry[] = commands,
): Promise<number> {
  const json = argv.includes("--json");
  try {
    const program = createProgram();
    const called = entries.find((entry) => entry.name === argv.find((arg) => !arg.startsWith("-")));
    if (called !== undefined) (await called.load()).register(program);
    else for (const { name, summary } of entries) program.command(name).description(summary);
    program.hook("preAction", (_, command) => assertValues(command));
    await program.parseAsync(argv, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, json);
    if (error.exitCode === 0 || error.code === "commander.help") return error.exitCode;
    return reportError(new UsageError(error.message.replace(/^error: /, "")), json);
  }
}

/** An option without its value takes the next option for it. */
function assertValues(command: Command): void {
  const given = Object.entries(command.opts()).flatMap(([name, value]) =>
    [value].flat().map((one) => [name, one] as const),
  );
  for (const [name, value] of given) {
    if (typeof value !== "string" || !/^--[a-z]/i.test(value)) continue;
    const option = command.options.find((one) => one.attributeName() === name);
    throw new UsageError(`${option?.long ?? name} has no value: ${value.slice(0, 80)} stands in its place`);
  }
}

function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const program = new Command("leat")
    .description("An open marketplace for video primitives.")
    .option("--json", "print one JSON object")
    .version(version, "--version", "print the version")
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => {} })
    .exitOverride();
  return program;
}
