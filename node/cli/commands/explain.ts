import { readFile } from "node:fs/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { FeedInfo } from "@leat/sdk/client/actions/streams.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { isHex, zeroAddress } from "@leat/sdk/protocol/hex.ts";
import type { SeedCommit, SelectionReceipt } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import { type CostTerm, costTerms } from "@leat/sdk/selection/cost.ts";
import { type Explanation, explain } from "@leat/sdk/selection/explain.ts";
import { type FilterName, filterNames, listFiltered } from "@leat/sdk/selection/filters.ts";
import { bodyFromText, type SelectionBody } from "@leat/sdk/selection/receipt.ts";
import { createTable } from "@leat/sdk/selection/table.ts";
import { fromText } from "@leat/sdk/selection/text.ts";
import type { Command } from "commander";
import { nameOrdinal } from "../decision-order.ts";
import { describeFeed } from "../feed-report.ts";
import { printResult, UsageError } from "../output.ts";
import { describePayer, type PayerReport, recomputeScore } from "../payer-report.ts";

export class ExplainError extends CodedError<
  | { code: "CLI_EXPLAIN_UNREACHABLE"; url: string }
  | { code: "CLI_EXPLAIN_REFUSED"; url: string; status: number; reason: string }
  | { code: "CLI_EXPLAIN_INPUT_INVALID"; input: string }
> {}

/** A decision as the balancer shows it. */
interface Published {
  readonly id: Hex;
  readonly receipt: Signed<SelectionReceipt>;
  readonly body: string;
  readonly commit?: Signed<SeedCommit>;
  /** Of an edge that serves its stream now: who feeds it. */
  readonly feed?: FeedInfo;
  /** In a file that was written by `--json`: then nothing is fetched. */
  readonly rows?: readonly string[];
}

type Filtered = ReadonlyMap<Address, FilterName>;

const PAGE = 1_000;
/** Of one filter: a cluster of thousands must not scroll away what was decided. */
const MOST_NAMED = 20;

const filterWords: Readonly<Record<FilterName, string>> = {
  primitive: "do not sell it",
  codec: "cannot encode the codec",
  region: "are in another region",
  excluded: "were excluded",
  token: "do not take the token",
  price: "ask more than the ceiling",
  stake: "have too little stake",
  draining: "take no new work",
  load: "are overloaded",
  capacity: "have no capacity left",
  vetting: "are of another vetting stage than this decision was for",
};
const termWords: Readonly<Record<CostTerm, string>> = {
  price: "price",
  rtt: "round trip",
  distance: "distance",
  load: "load",
  reputation: "reputation",
  fetching: "has to fetch the stream",
};

interface ExplainFlags {
  readonly url: string;
  readonly node?: string;
}

export function register(program: Command): void {
  program
    .command("explain <what>")
    .description(
      "make a balancer's decision again and say why it came out so (an id, or a file), or a payer's reputation (an address)",
    )
    .option("--node <address>", "of a decision, say what it was for this node")
    .option("--url <address>", "where the balancer answers", "http://127.0.0.1:8080")
    .action(async (input: string, flags: ExplainFlags, command: Command) => {
      if (isHex(input, 20)) {
        const report = (await fetchJson(flags.url, `/v1/payers/${input.toLowerCase()}`)) as PayerReport;
        const scorePpm = recomputeScore(report);
        if (scorePpm !== report.scorePpm) process.exitCode = 1;
        printResult(command, { ...report, recomputedPpm: scorePpm }, () => describePayer(report));
        return;
      }
      const node = flags.node === undefined ? undefined : readNode(flags.node);
      const published = await readPublished(input, flags.url);
      const body = bodyFromText(published.body);
      const texts = published.rows ?? (await fetchRows(flags.url, published.receipt.value.tableRoot));
      const rows = texts.map((text) => fromText(text) as Candidate);
      const receipt = reviveReceipt(published.receipt.value);
      const anchor = published.commit?.value.anchor;
      const explanation = explain({ receipt, body, rows, ...(anchor === undefined ? {} : { anchor }) });
      if (!explanation.agrees) process.exitCode = 1;
      const filtered = filteredOf(body, rows);
      const named = [...filtered].map(([of, filter]) => ({ node: of, filter }));
      printResult(command, { ...published, rows: texts, explanation, filtered: named }, () =>
        [
          describe(published.id, receipt, body, explanation, filtered),
          ...(node === undefined ? [] : [describeNode(node, body, rows, filtered)]),
          ...(published.feed === undefined ? [] : describeFeed(published.feed)),
        ].join("\n"),
      );
    });
}

/** Whom the published table and request leave out, and by which filter. */
export function filteredOf(body: SelectionBody, rows: readonly Candidate[]): Filtered {
  const { request, parameters, lane } = body;
  return listFiltered(createTable(rows, parameters), request, parameters, lane);
}

/** In plain words: who was left out and why, who was drawn, what each cost, who won. */
export function describe(
  id: Hex,
  receipt: SelectionReceipt,
  body: SelectionBody,
  explanation: Explanation,
  filtered: Filtered,
): string {
  const { request, filterCounts, drawn } = body;
  const codecs = request.codecs.length === 0 ? "" : ` of ${request.codecs.join(", ")}`;
  const lines = [
    `decision ${id}`,
    `wanted: ${request.primitive}${codecs}, ${request.units} units of capacity, for job ${receipt.job} attempt ${receipt.attempt}`,
    `${body.tableSize} nodes were known`,
  ];
  for (const name of filterNames) {
    if (filterCounts[name] === 0) continue;
    lines.push(`  ${filterCounts[name]} ${filterWords[name]}`);
    // Of them the reasons are told.
    if (name !== "excluded") lines.push(...nameFiltered(name, filtered));
  }
  for (const { node, reason } of request.excluded) lines.push(`    ${node} was excluded: ${reason}`);
  const lane =
    body.lane === "all" ? "nobody is vetted yet, so all may win" : `this decision was for ${body.lane} nodes`;
  lines.push(`${body.passed} passed; ${lane}`);
  lines.push(`${drawn.length} drawn by capacity out of ${body.totalWeight} tickets, the cheapest first:`);
  if (drawn.length > 0) lines.push("  (10000 points are the whole of a usual price)");
  for (const { node, weight, terms, cost } of drawn) {
    const parts = costTerms.filter((term) => terms[term] > 0).map((term) => `${termWords[term]} ${terms[term]}`);
    lines.push(`  ${node} (${weight} tickets) costs ${cost} points: ${parts.join(", ")}`);
  }
  lines.push(receipt.winner === zeroAddress ? "nobody won" : `winner: ${receipt.winner}`);
  if (request.primitive === "ingest" && drawn.length > 0) {
    lines.push(
      "a stream is taken in by the first two of the drawn order, the second where the first left or is not used:",
    );
    lines.push(...drawn.map(({ node }, place) => `  ${nameOrdinal(place)} ${node}`));
  }
  lines.push(
    explanation.agrees ? "made again from the published table: the same" : `does not agree: ${explanation.mismatch}`,
  );
  return lines.join("\n");
}

/** What the decision was for one node. */
export function describeNode(
  node: Address,
  body: SelectionBody,
  rows: readonly Candidate[],
  filtered: Filtered,
): string {
  const place = body.drawn.findIndex((drawn) => drawn.node === node);
  if (place >= 0) {
    const use = place === 0 ? "it won" : place === 1 ? "used where the first left" : "used where those before it left";
    return `${node} is the ${nameOrdinal(place)} of the drawn order: ${use}`;
  }
  const excluded = body.request.excluded.find((entry) => entry.node === node);
  if (excluded !== undefined) return `${node} was excluded: ${excluded.reason}`;
  const filter = filtered.get(node);
  if (filter !== undefined) return `${node} was left out, as one of those that ${filterWords[filter]}`;
  return rows.some((row) => row.node === node)
    ? `${node} passed and was not drawn: its tickets did not come up`
    : `${node} was not known to the balancer then`;
}

function nameFiltered(name: FilterName, filtered: Filtered): string[] {
  const nodes = [...filtered].filter(([, filter]) => filter === name).map(([node]) => node);
  const more = nodes.length - MOST_NAMED;
  return [
    ...nodes.slice(0, MOST_NAMED).map((node) => `    ${node}`),
    ...(more > 0 ? [`    and ${more} more: --json names all`] : []),
  ];
}

function readNode(text: string): Address {
  const node = text.toLowerCase();
  if (isHex(node, 20)) return node as Address;
  throw new UsageError(`--node is ${text.slice(0, 80)}, wanted is a node's address`);
}

async function readPublished(input: string, url: string): Promise<Published> {
  if (isHex(input, 32)) return (await fetchJson(url, `/v1/selections/${input.toLowerCase()}`)) as Published;
  try {
    return JSON.parse(await readFile(input, "utf8")) as Published;
  } catch (cause) {
    const message = `${input} is neither the id of a decision nor a file of one`;
    throw new ExplainError({ code: "CLI_EXPLAIN_INPUT_INVALID", input }, { cause, message });
  }
}

async function fetchRows(url: string, tableRoot: Hex): Promise<string[]> {
  const rows: string[] = [];
  for (;;) {
    const target = `/v1/candidates/${tableRoot}?limit=${PAGE}&offset=${rows.length}`;
    const page = (await fetchJson(url, target)) as { total: number; rows: string[] };
    rows.push(...page.rows);
    if (rows.length >= page.total || page.rows.length === 0) return rows;
  }
}

async function fetchJson(url: string, target: string): Promise<unknown> {
  const full = `${url.replace(/\/$/, "")}${target}`;
  let response: Response;
  try {
    response = await fetch(full);
  } catch (cause) {
    throw new ExplainError(
      { code: "CLI_EXPLAIN_UNREACHABLE", url: full },
      { cause, message: `no answer from ${full}` },
    );
  }
  const answer = (await response.json().catch(() => undefined)) as { error?: { code?: string; message?: string } };
  if (response.ok && answer !== undefined) return answer;
  const { code: reason = "UNKNOWN", message: said = "it said nothing that can be read" } = answer?.error ?? {};
  const message = `${full} refused (${reason}, ${response.status}): ${said}`;
  throw new ExplainError({ code: "CLI_EXPLAIN_REFUSED", url: full, status: response.status, reason }, { message });
}

/** Plain JSON has no bigint. */
function reviveReceipt(value: SelectionReceipt): SelectionReceipt {
  return { ...value, cluster: BigInt(value.cluster), decidedAt: BigInt(value.decidedAt) };
}
