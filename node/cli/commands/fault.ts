import { readFile } from "node:fs/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { describeFileReason, fileReason } from "@leat/sdk/base/file-reasons.ts";
import { getEquivocationStatus, reportEquivocation } from "@leat/sdk/client/actions/faults.ts";
import { type Equivocation, equivocationFromJson } from "@leat/sdk/protocol/faults.ts";
import { formatAmount } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { openAccount } from "../account-client.ts";
import { printResult } from "../output.ts";
import { acceptSettings } from "../settings-flags.ts";

export class FaultFileError extends CodedError<{ code: "CLI_FAULT_UNREADABLE"; path: string; reason: string }> {}

/** Two receipts are some two kilobytes. */
const MAX_FILE_CHARACTERS = 65_536;

export function register(program: Command): void {
  const fault = program.command("fault").description("check and report what a node can be slashed for");
  acceptSettings(fault.command("check").argument("<file>", "file of two receipts"))
    .description("say what two receipts prove, and what that is worth now")
    .action(async (path: string, _options: unknown, command: Command) => {
      const pair = await readPair(path);
      const { client } = await openAccount(command, 1);
      const status = await getEquivocationStatus(client, pair);
      printResult(command, status, () =>
        [
          `node      ${status.node}`,
          `operator  ${status.operator ?? "none: no operator ever had this key"}`,
          `work      job ${status.job}, segment ${status.seq}, attempt ${status.attempt}: two receipts that differ`,
          `proven    ${status.proven ? "before: it counts once" : "not yet"}`,
          `to take   ${formatAmount(status.slashable, 18)} LPT at most now`,
        ].join("\n"),
      );
    });
  acceptSettings(fault.command("report").argument("<file>", "file of two receipts"))
    .description("send the proof; the reward goes to this node's address")
    .action(async (path: string, _options: unknown, command: Command) => {
      const pair = await readPair(path);
      const { client } = await openAccount(command, 1);
      const done = await reportEquivocation(client, pair);
      printResult(
        command,
        done,
        () =>
          `${formatAmount(done.taken, 18)} LPT were taken from the operator of ${done.node}, ${formatAmount(done.reward, 18)} of them for you, by ${done.transaction}.`,
      );
    });
}

async function readPair(path: string): Promise<Equivocation> {
  const unreadable = (reason: string, cause?: unknown) =>
    new FaultFileError(
      { code: "CLI_FAULT_UNREADABLE", path, reason },
      { cause, message: `no proof can be read from ${path}: ${reason}` },
    );
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(describeFileReason(fileReason(cause)), cause);
  });
  if (text.length > MAX_FILE_CHARACTERS) throw unreadable("it is too long");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw unreadable("it is no JSON", cause);
  }
  return equivocationFromJson(json);
}
