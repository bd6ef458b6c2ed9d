import { readFile } from "node:fs/promises";
import { fileReason } from "@leat/sdk/base/file-reasons.ts";
import { formatTime } from "@leat/sdk/base/format-time.ts";
import { addWebhook, listWebhooks, removeWebhook } from "@leat/sdk/client/actions/webhooks.ts";
import { type EventType, endpointIdSchema, eventTypes } from "@leat/sdk/protocol/events.ts";
import { webhookSecretSchema } from "@leat/sdk/protocol/playback.ts";
import type { Command } from "commander";
import { Value } from "typebox/value";
import { openCaller } from "../api-caller.ts";
import { GivenFileError } from "../json-file.ts";
import { printResult, renderTable, UsageError } from "../output.ts";
import { acceptSettings } from "../settings-flags.ts";

interface AddFlags {
  readonly secretFile: string;
  readonly event?: readonly string[];
}

export function register(program: Command): void {
  const webhook = program.command("webhook").description("have servers of yours told what happens to your streams");
  acceptSettings(webhook.command("add <url>"))
    .description("tell a server of events from now on, signed with a secret that both sides hold")
    .requiredOption("--secret-file <file>", "file of the secret, 16 to 128 characters without spaces")
    .option("--event <name...>", `only these: ${eventTypes.join(", ")}`)
    .action(async (url: string, flags: AddFlags, command: Command) => {
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
        throw new UsageError(`${url.slice(0, 200)} is no address, wanted is https://HOST/PATH`);
      }
      const secret = await readSecret(flags.secretFile);
      const events = flags.event?.map(readEvent);
      const { caller } = await openCaller(command, 1);
      const added = await addWebhook(caller, { url, secret, ...(events === undefined ? {} : { events }) });
      printResult(command, added, ({ id, events: all }) => `webhook ${id}: ${all.join(", ")}`);
    });
  acceptSettings(webhook.command("list"))
    .description("show the servers that are told")
    .action(async (_flags: unknown, command: Command) => {
      const { caller } = await openCaller(command, 0);
      const webhooks = await listWebhooks(caller);
      const rows = webhooks.map(({ id, url, events, lastFailure }) => ({
        webhook: id,
        url,
        events: events.join(", "),
        "last failure":
          lastFailure === null
            ? ""
            : `${lastFailure.reason} at ${formatTime(BigInt(Math.floor(lastFailure.atMs / 1_000)))}`,
      }));
      printResult(command, { webhooks }, () => (rows.length === 0 ? "no webhooks" : renderTable(rows)));
    });
  acceptSettings(webhook.command("remove <webhook>"))
    .description("tell a server no more; what waits for it is dropped")
    .action(async (id: string, _flags: unknown, command: Command) => {
      const isId: boolean = Value.Check(endpointIdSchema, id);
      if (!isId) {
        throw new UsageError(`${id.slice(0, 80)} is no webhook's id; "leat webhook list" shows those of yours`);
      }
      const { caller } = await openCaller(command, 1);
      await removeWebhook(caller, id);
      printResult(command, { id }, () => `webhook ${id} is gone`);
    });
}

async function readSecret(path: string): Promise<string> {
  const name = "secret";
  let secret: string;
  try {
    secret = (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new GivenFileError({ code: "CLI_FILE_UNREADABLE", name, path, reason: fileReason(cause) }, { cause });
  }
  const isSecret: boolean = Value.Check(webhookSecretSchema, secret);
  if (isSecret) return secret;
  const reason = `it holds ${secret.length} characters, wanted are 16 to 128 without spaces, of ASCII`;
  throw new GivenFileError({ code: "CLI_FILE_INVALID", name, path, reason, page: "docs/buyers/webhooks.md" });
}

function readEvent(text: string): EventType {
  const found = eventTypes.find((type) => type === text);
  if (found === undefined) throw new UsageError(`--event is ${text}, wanted is one of ${eventTypes.join(", ")}`);
  return found;
}
