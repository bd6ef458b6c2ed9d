import { formatTime } from "@leat/sdk/base/format-time.ts";
import type { AttemptInfo, HealthInfo, JobInfo, PaymentInfo, StreamInfo } from "@leat/sdk/client/actions/streams.ts";
import type { HealthFault } from "@leat/sdk/protocol/health.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { formatAmount } from "@leat/sdk/protocol/units.ts";
import { describeEnd } from "../texts/ends.ts";
import { describeAudience } from "./audience-report.ts";
import { type DrawnOrder, describePlaces } from "./decision-order.ts";
import { describeTree } from "./feed-report.ts";
import { formatCost, formatCosts } from "./format-cost.ts";
import { renderTable } from "./output.ts";
import { findToken, type NamedToken, tokenOf } from "./tokens.ts";

/** What the column of checks counts: it is not the number of segments, and people ask why. */
const aboutChecks = [
  "checked: of ingest nothing, which is paid unproven; of a codec the segments that the stream's origin compared with the",
  "source, which is the share of them that the cluster samples; of primary and fallback one part of each segment, fetched",
  "from that edge as a viewer would while it was there.",
].join("\n");

type ShownStream = Pick<
  StreamInfo,
  | "slug"
  | "state"
  | "token"
  | "frames"
  | "segments"
  | "passthrough"
  | "source"
  | "pull"
  | "targets"
  | "health"
  | "endCode"
  | "refusals"
  | "audience"
>;
type ShownJob = Pick<JobInfo, "part"> & Partial<Pick<JobInfo, "feed">> & { readonly attempts: readonly ShownAttempt[] };
type ShownAttempt = Pick<AttemptInfo, "node" | "state" | "endCode" | "checked" | "failed" | "selection" | "cost">;

/** What a stream costs its buyer, by the receipts of its jobs. 10^-30 of a whole token. */
export interface StreamCost {
  readonly receipts: number;
  /** Vouchered, or with the next voucher. */
  readonly dueExact: bigint;
  /** Until it is checked and reported. */
  readonly waitingExact: bigint;
  /** Bad, or never checked: nobody pays for it. */
  readonly droppedExact: bigint;
}

export function sumCost(jobs: readonly ShownJob[]): StreamCost {
  const costs = jobs.flatMap(({ attempts }) => attempts.map(({ cost }) => cost));
  const sum = (amountOf: (cost: AttemptInfo["cost"]) => string) =>
    costs.reduce((total, cost) => total + BigInt(amountOf(cost)), 0n);
  return {
    receipts: costs.reduce((total, { receipts }) => total + receipts, 0),
    dueExact: sum(({ dueExact }) => dueExact),
    waitingExact: sum(({ waitingExact }) => waitingExact),
    droppedExact: sum(({ droppedExact }) => droppedExact),
  };
}

/** Who did what for a stream, what that costs, and apart from it what ever went through the channels that pay for it. */
export function renderStream(
  stream: ShownStream,
  jobs: readonly ShownJob[],
  channels: readonly PaymentInfo[],
  tokens: readonly NamedToken[],
  orders: ReadonlyMap<Hex, DrawnOrder> = new Map(),
): string {
  const { slug, state, frames, segments, pull, health, endCode, refusals } = stream;
  // Exact amounts are of whole tokens, also of one that this network does not name.
  const token = findToken(tokens, stream.token)?.name ?? `whole tokens of ${stream.token}`;
  const all = jobs.flatMap(({ part, attempts: ofPart }) => ofPart.map((attempt) => ({ part, attempt })));
  const costs = formatCosts(all.map(({ attempt: { cost } }) => BigInt(cost.dueExact) + BigInt(cost.waitingExact)));
  const attempts = all.map(({ part, attempt }, at) => ({
    part,
    node: attempt.node,
    state: attempt.state,
    checked: attempt.checked,
    failed: attempt.failed,
    [`cost in ${token}`]: costs[at]!,
    selection: attempt.selection,
    // Last: mostly nothing stands in it.
    why: attempt.endCode ?? "",
  }));
  const tree = describeTree(jobs);
  return [
    `stream ${slug} is ${state}: ${frames} frames in ${segments} segments`,
    ...(endCode === null ? [] : [`${state === "ended" ? "it ended" : "it is ending"} with ${describeEnd(endCode)}`]),
    ...(pull === null
      ? []
      : [`pulled from ${pull.url}${pull.code === null ? "" : `, of which nothing comes: ${pull.code}`}`]),
    ...(health === null ? [] : [describeHealth(health)]),
    ...describeSource(stream),
    ...describeTargets(stream),
    ...describeAudience(stream),
    ...(attempts.length === 0
      ? ["nobody works for it"]
      : [
          [renderTable(attempts), ...describeCodes(jobs)].join("\n"),
          aboutChecks,
          ['"leat explain SELECTION" tells why that node', ...describePlaces(jobs, orders)].join("\n"),
        ]),
    ...(tree.length === 0 ? [] : [tree.join("\n")]),
    ...refusals.map(({ part, code, atMs }) => {
      // Of one that is done it is told by who does it.
      const isDone = all.some((one) => one.part === part && one.attempt.state === "running");
      const what = isDone ? `${part} takes nothing of what comes` : `nobody does ${part}`;
      return `${what}, last tried ${formatTime(BigInt(Math.floor(atMs / 1_000)))}: ${describeEnd(code)}`;
    }),
    describeCost(sumCost(jobs), token),
    ...renderChannels(channels, tokens),
  ].join("\n\n");
}

/** What was asked for and cannot be had. */
function describeSource({ passthrough, source }: ShownStream): string[] {
  if (!passthrough || source?.video?.codec !== "vp8") return [];
  return ["STREAM_SOURCE_LEFT_OUT: the picture comes in as VP8, of which players get the rungs of the ladder alone"];
}

/** Where it is sent on to; of a stream that has ended, where it was. */
function describeTargets({ targets, state, frames }: ShownStream): string[] {
  const isOver = state === "ended";
  // Nothing was sent of what never came.
  if (isOver && frames === "0") return [];
  const [sent, not] = isOver ? ["was sent on", "not in the end"] : ["sent on", "not now"];
  return targets.map(
    ({ name, url, code }) => `${sent} to ${name} at ${url}${code === null ? "" : `, ${not}: ${code}`}`,
  );
}

/** What the column "why" says, each code once. */
function describeCodes(jobs: readonly ShownJob[]): string[] {
  const codes = jobs.flatMap(({ attempts }) => attempts.flatMap(({ endCode }) => endCode ?? []));
  return [...new Set(codes)].map(describeEnd);
}

const faultTexts: Readonly<Record<HealthFault, string>> = {
  silent: "nothing comes",
  slow: "less comes than real time needs: viewers will run dry",
  "pictures-stopped": "sound comes and no pictures",
  "sound-stopped": "pictures come and no sound",
  "pictures-missing": "pictures are missing",
  "keys-rare": "key frames are more than four seconds apart",
  "pictures-left-out": "pictures come and are left out, since the stream began as sound alone",
  "sound-left-out": "sound comes and is left out, since the stream began without any",
  "source-left-out":
    "the picture as it comes in is left out: it shows pictures before their key frame, or is of another codec than at first",
};

function describeHealth({ faults, videoBitrate, audioBitrate, frameRate, keyIntervalMs, driftMs }: HealthInfo): string {
  const parts = [
    `${frameRate} pictures a second at ${Math.round(videoBitrate / 1_000)} kb/s`,
    `sound at ${Math.round(audioBitrate / 1_000)} kb/s`,
    ...(keyIntervalMs === null ? [] : [`a key frame every ${(keyIntervalMs / 1_000).toFixed(1)} s`]),
    `${Math.abs(driftMs)} ms ${driftMs < 0 ? "earlier" : "later"} than at first`,
  ];
  const said = faults.length === 0 ? "good" : `poor, ${faults.map((fault) => faultTexts[fault]).join(", ")}`;
  return `what comes in is ${said}: ${parts.join(", ")}`;
}

function describeCost({ receipts, dueExact, waitingExact, droppedExact }: StreamCost, token: string): string {
  if (receipts === 0) return "this stream cost nothing yet";
  const lines = [
    `this stream cost ${formatCost(dueExact + waitingExact)} ${token} until now, by ${receipts} receipts`,
    ...(waitingExact === 0n ? [] : [`of it ${formatCost(waitingExact)} wait until the work is checked`]),
    ...(droppedExact === 0n ? [] : [`besides, ${formatCost(droppedExact)} are paid by nobody: bad or unchecked work`]),
  ];
  return lines.join("\n");
}

function renderChannels(channels: readonly PaymentInfo[], tokens: readonly NamedToken[]): string[] {
  if (channels.length === 0) return ["no channel pays for it yet"];
  const rows = channels.map(({ payer, payee, token, vouchered, collected }) => {
    const known = tokenOf(tokens, token);
    const show = (baseUnits: string) => formatAmount(BigInt(baseUnits), known.decimals);
    return { payer, payee, token: known.name, vouchered: show(vouchered), collected: show(collected) };
  });
  return ["in all of the channels that pay for it, since each began and for other streams too:", renderTable(rows)];
}
