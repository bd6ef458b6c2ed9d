import type { PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import { proofOf } from "@leat/sdk/protocol/receipt-proof.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import { maskSource } from "../../media-io/pull/source-url.ts";
import { maskTarget } from "../../media-io/restream/target-url.ts";
import type { StreamAudience } from "../../services/balancer/audience-book.ts";
import type { Refusal } from "../../services/balancer/refusals.ts";
import type { HeardHealth } from "../../services/balancer/stream-health.ts";
import type { JobView, ReceiptView } from "../../services/balancer/views.ts";
import type { ChannelStatus } from "../../services/payment/index.ts";
import type { AttemptRow, CheckTotal } from "../../store/sql/job-store.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { AttemptCost } from "../../store/sql/work-costs.ts";

/** Rows as they are shown: bigints become decimal text in the server's serializer. */

/** What is known of a stream and stands in no row of it. */
interface StreamFacts {
  readonly health: HeardHealth | undefined;
  readonly refusals: readonly Refusal[];
  readonly audience: StreamAudience;
}

export function presentStream(row: StreamRow, { health, refusals, audience }: StreamFacts) {
  const { id, slug, state, token, ladder, passthrough, renditions, source, region, createdAtMs, endedAtMs, endCode } =
    row;
  return {
    id,
    slug,
    state,
    token,
    ladder,
    passthrough,
    renditions: renditions ?? [],
    source,
    region,
    playbackUrl: `/play/${slug}`,
    frames: row.nextFrame,
    segments: row.nextSequence,
    unsignedBudgetBytes: row.unsignedBudgetBytes,
    unsignedPaidBytes: row.unsignedPaidBytes,
    prices: row.retail,
    playback: presentPolicy(row.playback),
    pull: presentPull(row),
    targets: row.targets.map((target) => presentTarget(target, row)),
    health: health === undefined ? null : presentHealth(health),
    refusals,
    audience,
    createdAtMs,
    endedAtMs,
    endCode,
  };
}

function presentHealth({ state, health, faults, heardAtMs }: HeardHealth) {
  return { state, faults, heardAtMs, ...health };
}

function presentPull({ pull, pullCode }: StreamRow) {
  return pull && { url: maskSource(pull.url), when: pull.when, code: pullCode };
}

/** `code`: why nothing is sent to it, null where something is; "RESTREAM_WAITING" before anything is known. */
function presentTarget({ name, url, rung }: RestreamTarget, { targetCodes }: Pick<StreamRow, "targetCodes">) {
  const { [name]: code = "RESTREAM_WAITING" } = targetCodes;
  return { name, url: maskTarget(url), rung: rung ?? null, code };
}

/** All but what is secret of it. */
function presentPolicy(policy: PlaybackPolicy) {
  if (policy.type !== "webhook") return policy;
  const { type, url, failOpen = false } = policy;
  return { type, url, failOpen };
}

export function presentJob({ job, attempts, checks, costs, feed }: JobView) {
  return {
    job: job.id,
    primitive: job.primitive,
    part: job.part,
    state: job.state,
    excluded: job.excluded,
    attempts: attempts.map((attempt) => presentAttempt(attempt, checks, costs)),
    feed: feed ?? null,
  };
}

export function presentReceipt({ row, checks }: ReceiptView) {
  const { hash, job, attempt, seq, kind, node, receipt, units, paidUnits, exact, retailExact, receivedAtMs } = row;
  return {
    hash,
    job,
    attempt,
    seq,
    kind,
    node,
    receipt,
    leaves: row.leaves,
    units,
    paidUnits,
    exact,
    retailExact,
    proof: proofOf(
      kind,
      hash,
      checks.map(({ statement }) => statement.value),
    ),
    checks: checks.map(({ code, statement }) => ({ code, statement })),
    writtenOff: row.writtenOff,
    receivedAtMs,
  };
}

export function presentPayment(status: ChannelStatus) {
  const { channel, channelId, vouchered, collected, collectTransaction, reserve } = status;
  const { payer, payee, token } = channel;
  return {
    payer,
    payee,
    token,
    channel: channelId,
    vouchered,
    collected,
    transaction: collectTransaction ?? null,
    reserve,
    unpaidExact: status.unpaidExact,
    largestUnpaidExact: status.largestUnpaidExact,
    creditLimitExact: status.creditLimitExact,
    canLoseExact: status.canLoseExact,
  };
}

function presentAttempt(row: AttemptRow, checks: readonly CheckTotal[], costs: readonly AttemptCost[]) {
  const own = checks.find(({ attempt }) => attempt === row.attempt);
  return {
    attempt: row.attempt,
    node: row.node,
    state: row.state,
    selection: row.selection,
    prices: row.prices,
    startSequence: row.startSequence,
    endSequence: row.endSequence,
    endCode: row.endCode,
    checked: own?.checks ?? 0,
    failed: own?.failed ?? 0,
    cost: presentCost(costs.find(({ attempt }) => attempt === row.attempt)),
  };
}

/** What the buyer pays for it, by its receipts. */
function presentCost(cost: AttemptCost | undefined) {
  const { receipts = 0, paidUnits = 0n, dueExact = 0n, waitingExact = 0n, droppedExact = 0n } = cost ?? {};
  return { receipts, paidUnits, dueExact, waitingExact, droppedExact };
}
