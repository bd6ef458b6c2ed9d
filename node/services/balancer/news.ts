import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { SourceSummary } from "@leat/sdk/protocol/job.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { NodeRequest } from "../../wire/session/messages.ts";
import type { NewsItem } from "../webhooks/webhook-service.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { HeardHealth } from "./stream-health.ts";

/**
 * Events of streams, as their buyers are told. Told before the change that they tell of is made, under an id that
 * follows from it: a balancer that is killed in between tells again, and it is the same event.
 */

export function startedNews({ id, slug, buyer }: StreamRow, source: SourceSummary): NewsItem {
  return { id: `stream.started.${id}`, type: "stream.started", account: buyer, data: { stream: id, slug, source } };
}

export function endedNews(stream: StreamRow, code: string): NewsItem {
  const { id, slug, buyer, nextFrame, nextSequence } = stream;
  const data = { stream: id, slug, code, frames: nextFrame, segments: nextSequence };
  return { id: `stream.ended.${id}`, type: "stream.ended", account: buyer, data };
}

/** How its source does, once that is known and whenever it has changed. */
export function healthNews(
  { id, slug, buyer }: StreamRow,
  { state, health, faults, heardAtMs }: HeardHealth,
): NewsItem {
  const data = { stream: id, slug, state, faults, health };
  return { id: `stream.health.${id}.${heardAtMs}`, type: "stream.health", account: buyer, data };
}

/** One for each node and minute. */
export function refusedNews(
  { id, slug, buyer }: StreamRow,
  { node, refusals, nowMs }: { node: Address; refusals: NodeRequest<"viewers.refused">["refusals"]; nowMs: number },
): NewsItem {
  const minute = Math.floor(nowMs / 60_000);
  const data = { stream: id, slug, node, refusals };
  return { id: `viewer.refused.${id}.${node}.${minute}`, type: "viewer.refused", account: buyer, data };
}

/** @throws JOB_NOT_YOURS: only an edge of the stream knows whom it turned away */
export function requireEdge(jobs: JobBook, stream: Hex, node: Address): void {
  const isEdge = jobs
    .ofStream(stream)
    .some((live) => live.row.primitive === "delivery" && isRunning(live) && live.attempt.node === node);
  if (!isEdge) throw new BalancerError({ code: "JOB_NOT_YOURS", job: stream });
}
