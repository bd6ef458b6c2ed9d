import process from "node:process";
import { text } from "node:stream/consumers";
import { getDecimals, tokenAddress } from "@leat/sdk/client/actions/account.ts";
import {
  createStream,
  endStream,
  getStream,
  listJobs,
  listPayments,
  listReceipts,
  listStreams,
  rotateStreamKey,
  type StreamInfo,
  setPlayback,
  setTargets,
} from "@leat/sdk/client/actions/streams.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import { type PriceUnit, priceUnits } from "@leat/sdk/protocol/job.ts";
import { regionSchema } from "@leat/sdk/protocol/offer-body.ts";
import { type PlaybackRequest, playbackRequestSchema } from "@leat/sdk/protocol/playback.ts";
import { type PullSetting, pullUrlSchema, pullWhenSchema } from "@leat/sdk/protocol/pull.ts";
import { type RestreamTarget, restreamTargetsSchema } from "@leat/sdk/protocol/restream.ts";
import { parsePrice } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { Value } from "typebox/value";
import { openCaller } from "../api-caller.ts";
import { costsOf, listIngest, renderCreated } from "../created-report.ts";
import { fetchOrders } from "../decision-order.ts";
import { readJsonFile } from "../json-file.ts";
import { printResult, UsageError, wantsJson } from "../output.ts";
import { receiptContext } from "../receipt-context.ts";
import { readReceipts, renderReceipts } from "../receipt-list.ts";
import { acceptSettings } from "../settings-flags.ts";
import { chooseStreams, renderStreams } from "../stream-list.ts";
import { renderStream, sumCost } from "../stream-report.ts";
import type { NamedToken } from "../tokens.ts";
import { readLadder } from "./transcode.ts";

interface CreateFlags {
  readonly ladder?: string;
  readonly passthrough: boolean;
  readonly token: string;
  readonly budget: string;
  readonly region?: string;
  readonly ceiling?: readonly string[];
  readonly playback?: string;
  readonly pull?: string;
  readonly when?: string;
  readonly targets?: string;
  readonly idempotencyKey?: string;
}

interface ListFlags {
  readonly limit: string;
  readonly all: boolean;
}

export function register(program: Command): void {
  const stream = program.command("stream").description("create, list and end streams");
  acceptSettings(stream.command("create"))
    .description("make a stream: prints where to publish (the key is shown this once) and where it plays")
    .option(
      "--ladder <file>",
      "JSON file of the ladder; or h264, hevc, vp9, av1 or several as h264+vp9, in the usual sizes",
    )
    .option("--passthrough", "deliver the picture as it comes in, too, or alone where no ladder is given", false)
    .option("--token <name>", "what it is paid in", "USDC")
    .option("--budget <bytes>", "most bytes that are paid for viewers that cannot sign", "0")
    .option("--region <name>", "where the work should be done")
    .option("--ceiling <unit=price...>", `most that is paid for a unit, whole tokens: ${priceUnits.join(", ")}`)
    .option("--playback <file>", "JSON file of who may watch; default everybody")
    .option(
      "--pull <url>",
      "address of a source that the cluster fetches (http, srt, rtmp, rtsp, those with s), in place of a publisher; - reads it from stdin",
    )
    .option("--when <time>", "with --pull: always, or viewers to fetch it while somebody watches; default always")
    .option("--targets <file>", "JSON file of servers that the stream is sent on to; - reads it from stdin")
    .option("--idempotency-key <text>", "asks again for the same stream where an answer was lost")
    .action(async (flags: CreateFlags, command: Command) => {
      if (flags.ladder === undefined && !flags.passthrough) {
        throw new UsageError("give --ladder, --passthrough or both");
      }
      const unsignedBudgetBytes = parseBudget(flags.budget);
      const region = flags.region === undefined ? undefined : parseRegion(flags.region);
      const { caller, client } = await openCaller(command, 0);
      const request = {
        ladder: flags.ladder === undefined ? [] : await readLadder(flags.ladder),
        ...(flags.passthrough ? { passthrough: true } : {}),
        token: tokenAddress(client, flags.token),
        unsignedBudgetBytes,
        ...(region === undefined ? {} : { region }),
        ...(flags.playback === undefined ? {} : { playback: await readPlayback(flags.playback) }),
        ...(await readPull(flags)),
        ...(flags.targets === undefined ? {} : { targets: await readTargets(flags.targets) }),
        ...(flags.ceiling === undefined ? {} : { priceCeilings: parseCeilings(flags.ceiling) }),
      };
      const created = await createStream(caller, request, flags.idempotencyKey);
      const addresses = {
        playbackUrl: new URL(created.playbackUrl, `${client.clusterUrl}/`).href,
        frontDoorUrl: new URL(`ingest/${created.streamKey}`, `${client.clusterUrl}/`).href,
      };
      const token = flags.token.startsWith("0x") ? flags.token : flags.token.toUpperCase();
      const costs = { token, ...costsOf(created.estimate) };
      printResult(command, { ...created, ...addresses, costs }, () => {
        const source = request.pull === undefined ? undefined : pullSentences[request.pull.when];
        return renderCreated({ ...created, ...addresses }, { token, source, budgetBytes: unsignedBudgetBytes });
      });
    });
  acceptSettings(stream.command("list"))
    .description("show your streams: every live one, then the newest")
    .option("--limit <streams>", "show so many at most, and every live one", "50")
    .option("--all", "show them all", false)
    .action(async (flags: ListFlags, command: Command) => {
      const limit = flags.all ? Number.MAX_SAFE_INTEGER : parseLimit(flags.limit);
      const { caller } = await openCaller(command, 0);
      const streams: StreamInfo[] = [];
      for await (const stream of listStreams(caller)) streams.push(stream);
      printResult(command, chooseStreams(streams, limit), renderStreams);
    });
  acceptSettings(stream.command("show <stream>"))
    .description("show who did what for one of your streams, by which decision, and what that cost")
    .action(async (name: string, _flags: unknown, command: Command) => {
      checkName(name);
      const { caller, client } = await openCaller(command, 1);
      const [info, jobs, channelTotals] = await Promise.all([
        getStream(caller, name),
        listJobs(caller, name),
        listPayments(caller, name),
      ]);
      const [tokens, orders] = wantsJson(command)
        ? [[], undefined]
        : await Promise.all([listTokens(client), fetchOrders(client.clusterUrl, jobs)]);
      const told = { ...info, cost: sumCost(jobs), jobs, channelTotals };
      printResult(command, told, () => renderStream(info, jobs, channelTotals, tokens, orders));
    });
  acceptSettings(stream.command("receipts <stream>"))
    .description("show what nodes signed of their work for one of your streams, and hold it against the chain")
    .option("--limit <receipts>", "show and verify so many, the newest first", "50")
    .action(async (name: string, flags: Pick<ListFlags, "limit">, command: Command) => {
      checkName(name);
      const limit = parseLimit(flags.limit);
      const { caller, client } = await openCaller(command, 1);
      const jobs = await listJobs(caller, name);
      const list = await readReceipts(listReceipts(caller, name), limit, receiptContext(caller, client, jobs), jobs);
      if (list.receipts.some(({ faults }) => faults.length > 0)) process.exitCode = 1;
      printResult(command, list, renderReceipts);
    });
  acceptSettings(stream.command("playback <stream> <file>"))
    .description("change who may watch a stream, at once: a JSON file, or the word public")
    .action(async (name: string, file: string, _flags: unknown, command: Command) => {
      checkName(name);
      const { caller } = await openCaller(command, 2);
      const changed = await setPlayback(caller, name, await readPlayback(file));
      printResult(command, changed, ({ slug, playback }) => `stream ${slug} is for ${audiences[playback.type]}`);
    });
  acceptSettings(stream.command("targets <stream> <file>"))
    .description("send a stream on to servers, at once: a JSON file, - for stdin, or the word none")
    .action(async (name: string, file: string, _flags: unknown, command: Command) => {
      checkName(name);
      const { caller } = await openCaller(command, 2);
      const changed = await setTargets(caller, name, file === "none" ? [] : await readTargets(file));
      printResult(command, changed, ({ slug, targets }) =>
        targets.length === 0
          ? `stream ${slug} is sent on to nobody`
          : [`stream ${slug} is sent on to`, ...targets.map((target) => `${target.name}  ${target.url}`)].join("\n"),
      );
    });
  acceptSettings(stream.command("rotate-key <stream>"))
    .description("make a new key to publish with; it is shown this once")
    .option("--revoke-old", "end every other key of the stream, and whoever publishes with one", false)
    .action(async (name: string, { revokeOld }: { readonly revokeOld: boolean }, command: Command) => {
      checkName(name);
      const { caller } = await openCaller(command, 1);
      const rotated = await rotateStreamKey(caller, name, revokeOld);
      printResult(command, { ...rotated, revokeOld }, () =>
        [`key ${rotated.streamKey}`, ...listIngest(rotated)].join("\n"),
      );
    });
  acceptSettings(stream.command("end <stream>"))
    .description("end a stream at once; what came in is still delivered and paid")
    .action(async (name: string, _flags: unknown, command: Command) => {
      checkName(name);
      const { caller } = await openCaller(command, 1);
      const ended = await endStream(caller, name);
      printResult(command, ended, ({ slug, state }) => `stream ${slug} is ${state === "ended" ? state : "ending"}`);
    });
}

/**
 * What pays on this network, by name. The chain alone knows decimals; where it does not answer, what the cluster told is
 * shown all the same.
 */
function listTokens(client: LeatClient): Promise<NamedToken[]> {
  return Promise.all(
    Object.keys(client.deployment.tokens).map(async (name) => {
      const token = tokenAddress(client, name);
      return { name, token, decimals: await getDecimals(client, token).catch(() => undefined) };
    }),
  );
}

const audiences = {
  public: "everybody",
  jwt: "those who have a token",
  webhook: "those whom your server lets in",
} as const;

async function readPlayback(path: string): Promise<PlaybackRequest> {
  if (path === "public") return { type: "public" };
  const page = "docs/buyers/who-may-watch.md";
  return readJsonFile({ name: "playback", path, schema: playbackRequestSchema, page });
}

/** A password need not stand where every user of the machine can read it. */
async function readPull({ pull, when = "always" }: CreateFlags): Promise<{ pull?: PullSetting }> {
  if (pull === undefined) {
    if (when !== "always") throw new UsageError("--when goes with --pull");
    return {};
  }
  if (!Value.Check(pullWhenSchema, when)) throw new UsageError(`--when is ${when}, wanted is always or viewers`);
  const url = pull === "-" ? (await text(process.stdin)).trim() : pull;
  if (!Value.Check(pullUrlSchema, url)) throw new UsageError("--pull is no address, wanted is SCHEME://HOST/PATH");
  return { pull: { url, when } };
}

const pullSentences = {
  always: "its source is fetched from now on",
  viewers: "its source is fetched while somebody watches",
} as const;

/** Keys stand in it: it need not stand where every user of the machine can read it. */
function readTargets(path: string): Promise<readonly RestreamTarget[]> {
  return readJsonFile({ name: "targets", path, schema: restreamTargetsSchema, page: "docs/buyers/send-on.md" });
}

/** What the cluster would refuse with a pattern. */
function checkName(stream: string): void {
  if (/^(0x[0-9a-f]{64}|[A-Za-z0-9_-]{8,64})$/.test(stream)) return;
  throw new UsageError(`${stream} is no stream; "leat stream list" shows the names and ids of yours`);
}

function parseBudget(text: string): bigint {
  if (/^0*\d{1,18}$/.test(text)) return BigInt(text);
  const found = /^\d+$/.test(text) ? `a number of ${text.length} digits` : text.slice(0, 80);
  throw new UsageError(`--budget is ${found}, wanted is a whole number of bytes of at most 18 digits`);
}

function parseLimit(text: string): number {
  if (/^0*[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new UsageError(`--limit is ${text.slice(0, 80)}, wanted is a whole number from 1 to 999999`);
}

function parseRegion(text: string): string {
  const isRegion: boolean = Value.Check(regionSchema, text);
  if (isRegion) return text;
  throw new UsageError(
    `--region is ${text.slice(0, 80)}, wanted are up to 32 small letters, digits and hyphens: eu-west`,
  );
}

/** `pixelVp9=0.000000000005` as an exact amount for its unit. */
function parseCeilings(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [unit, price] = text.split("=");
      if (!priceUnits.includes(unit as PriceUnit) || price === undefined) {
        throw new UsageError(`--ceiling is ${text}, wanted is UNIT=PRICE with a unit of ${priceUnits.join(", ")}`);
      }
      return [unit, parsePrice(price).toString()];
    }),
  );
}
