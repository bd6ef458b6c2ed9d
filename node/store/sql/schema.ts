import type { EventType } from "@leat/sdk/protocol/events.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobSpec, LadderRequest, Prices, Primitive, SourceSummary } from "@leat/sdk/protocol/job.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import type { PullSetting } from "@leat/sdk/protocol/pull.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import type {
  Assignment,
  CheckResult,
  Quote,
  Receipt,
  SeedCommit,
  SelectionReceipt,
  Voucher,
} from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import { sql } from "drizzle-orm";
import { bigserial, boolean, index, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { count, hex, record, timeMs, wide } from "./columns.ts";

/** What a creating call answered: `http` gives the same again. */
export interface StoredAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Durable state of a cluster. A change here is a new file in `migrations/`; a test compares the two. */

/** Set by the migration; a balancer replaces it when it starts. */
export const UNKNOWN_MARGIN = -1;

export type StreamState = "created" | "live" | "ended";
export type JobState = "waiting" | "running" | "ended";
export type AttemptState = "running" | "ended" | "failed";

export const streams = pgTable(
  "streams",
  {
    id: hex("id").primaryKey(),
    slug: text("slug").notNull(),
    buyer: hex("buyer").notNull(),
    token: hex("token").notNull(),
    ladder: record<LadderRequest>("ladder").notNull(),
    /** The picture is delivered as it comes in, too. */
    passthrough: boolean("passthrough").notNull(),
    /** The buyer's part of every seed of this stream. */
    nonce: hex("nonce").notNull(),
    priceCeilings: record<Prices>("price_ceilings").notNull(),
    /** What the buyer pays per unit, fixed when the stream was made. */
    retail: record<Prices>("retail").notNull(),
    /** What the cluster keeps of it, fixed too; UNKNOWN_MARGIN in a row from before it was kept here. */
    marginBps: count("margin_bps").notNull(),
    /** The cluster's signed promise of `retail`, as the buyer got it. */
    quote: record<Signed<Quote>>("quote").notNull(),
    unsignedBudgetBytes: wide("unsigned_budget_bytes").notNull(),
    unsignedPaidBytes: wide("unsigned_paid_bytes").notNull(),
    /** Who may watch, as the buyer set it. */
    playback: record<PlaybackPolicy>("playback").notNull(),
    /** The source that an ingest node fetches; null where somebody publishes. */
    pull: record<PullSetting>("pull"),
    /** Why nothing came of it last. */
    pullCode: text("pull_code"),
    /** Servers that it is sent on to. Their addresses hold keys. */
    targets: record<readonly RestreamTarget[]>("targets").notNull().default([]),
    /** Why nothing was sent to one last, by its name; null where something was. */
    targetCodes: record<Readonly<Record<string, string | null>>>("target_codes").notNull().default({}),
    region: text("region"),
    ingestNodes: record<readonly Address[]>("ingest_nodes").notNull(),
    state: text("state").$type<StreamState>().notNull(),
    source: record<SourceSummary>("source"),
    renditions: record<readonly RenditionInfo[]>("renditions"),
    /** PART-TARGET of its playlists, milliseconds; null before it was published. */
    partTargetMs: count("part_target_ms"),
    /** Where the next publisher goes on. */
    nextSequence: count("next_sequence").notNull(),
    nextFrame: wide("next_frame").notNull(),
    nextEpoch: count("next_epoch").notNull(),
    createdAtMs: timeMs("created_at_ms").notNull(),
    endedAtMs: timeMs("ended_at_ms"),
    endCode: text("end_code"),
  },
  (table) => [uniqueIndex("streams_slug").on(table.slug), index("streams_buyer").on(table.buyer, table.createdAtMs)],
);

/** SHA-256 of stream keys; a key itself is never stored. More than one while keys are rotated. */
export const streamKeys = pgTable("stream_keys", {
  keyHash: hex("key_hash").primaryKey(),
  stream: hex("stream").notNull(),
  createdAtMs: timeMs("created_at_ms").notNull(),
  revokedAtMs: timeMs("revoked_at_ms"),
});

/** Who may publish a stream now. */
export const leases = pgTable("leases", {
  stream: hex("stream").primaryKey(),
  node: hex("node").notNull(),
  job: hex("job").notNull(),
  grantedAtMs: timeMs("granted_at_ms").notNull(),
  lastFrameAtMs: timeMs("last_frame_at_ms").notNull(),
});

export const jobs = pgTable(
  "jobs",
  {
    id: hex("id").primaryKey(),
    stream: hex("stream").notNull(),
    primitive: text("primitive").$type<Primitive>().notNull(),
    /** Which of a stream's jobs of one primitive: the codec family, `primary`, `fallback`, `ingest`. */
    part: text("part").notNull(),
    state: text("state").$type<JobState>().notNull(),
    spec: record<JobSpec>("spec").notNull(),
    attempt: count("attempt").notNull(),
    excluded: record<readonly { node: Address; reason: string }[]>("excluded").notNull(),
    createdAtMs: timeMs("created_at_ms").notNull(),
    endedAtMs: timeMs("ended_at_ms"),
    endCode: text("end_code"),
  },
  (table) => [index("jobs_stream").on(table.stream), index("jobs_state").on(table.state)],
);

export const attempts = pgTable(
  "attempts",
  {
    job: hex("job").notNull(),
    attempt: count("attempt").notNull(),
    node: hex("node").notNull(),
    state: text("state").$type<AttemptState>().notNull(),
    assignment: record<Signed<Assignment>>("assignment").notNull(),
    quote: record<Signed<Quote>>("quote").notNull(),
    prices: record<Prices>("prices").notNull(),
    selection: hex("selection").notNull(),
    units: wide("units").notNull(),
    /** Of its stream's budget for viewers that cannot sign, all that this edge was ever granted. */
    grantedBytes: wide("granted_bytes").notNull().default(0n),
    startSequence: count("start_sequence").notNull(),
    /** First segment that is not its own any more; null while it runs. */
    endSequence: count("end_sequence"),
    startedAtMs: timeMs("started_at_ms").notNull(),
    endedAtMs: timeMs("ended_at_ms"),
    endCode: text("end_code"),
  },
  (table) => [primaryKey({ columns: [table.job, table.attempt] })],
);

export const receipts = pgTable(
  "receipts",
  {
    hash: hex("hash").primaryKey(),
    stream: hex("stream").notNull(),
    job: hex("job").notNull(),
    attempt: count("attempt").notNull(),
    seq: count("seq").notNull(),
    kind: text("kind").$type<"ingest" | "transcode" | "delivery">().notNull(),
    node: hex("node").notNull(),
    receipt: record<Signed<Receipt>>("receipt").notNull(),
    leaves: record<readonly PartLeaf[]>("leaves").notNull(),
    units: wide("units").notNull(),
    paidUnits: wide("paid_units").notNull(),
    exact: wide("exact").notNull(),
    retailExact: wide("retail_exact").notNull(),
    /** Both sides of the books have it; false for one that came just before a crash. */
    booked: boolean("booked").notNull(),
    /** The buyer's agent has acknowledged it. */
    reported: boolean("reported").notNull(),
    /** Nobody checks it any more, and nobody is paid for it. */
    writtenOff: boolean("written_off").notNull(),
    receivedAtMs: timeMs("received_at_ms").notNull(),
  },
  (table) => [
    uniqueIndex("receipts_segment").on(table.job, table.attempt, table.seq),
    index("receipts_stream").on(table.stream, table.receivedAtMs, table.hash),
    index("receipts_unbooked").on(table.hash).where(sql`${table.booked} = false`),
    index("receipts_unreported").on(table.receivedAtMs, table.hash).where(sql`${table.reported} = false`),
    index("receipts_written_off").on(table.stream).where(sql`${table.writtenOff}`),
  ],
);

/** Sums of an attempt's receipts as they came, so that a stream of days is not added up whenever somebody looks. */
export const receiptTotals = pgTable(
  "receipt_totals",
  {
    stream: hex("stream").notNull(),
    job: hex("job").notNull(),
    attempt: count("attempt").notNull(),
    receipts: count("receipts").notNull(),
    paidUnits: wide("paid_units").notNull(),
    retailExact: wide("retail_exact").notNull(),
  },
  (table) => [primaryKey({ columns: [table.job, table.attempt] }), index("receipt_totals_stream").on(table.stream)],
);

/** What viewers got of an edge's attempt, as its node said. */
export const audienceTotals = pgTable(
  "audience_totals",
  {
    stream: hex("stream").notNull(),
    job: hex("job").notNull(),
    attempt: count("attempt").notNull(),
    /** Milliseconds of the stream, all viewers together. */
    watchedMs: wide("watched_ms").notNull(),
    servedBytes: wide("served_bytes").notNull(),
  },
  (table) => [primaryKey({ columns: [table.job, table.attempt] }), index("audience_totals_stream").on(table.stream)],
);

/** The most that watched a stream at once, at all its edges. */
export const audiencePeaks = pgTable("audience_peaks", {
  stream: hex("stream").primaryKey(),
  viewers: count("viewers").notNull(),
  atMs: timeMs("at_ms").notNull(),
});

export const checks = pgTable(
  "checks",
  {
    job: hex("job").notNull(),
    attempt: count("attempt").notNull(),
    seq: count("seq").notNull(),
    check: count("check").notNull(),
    checker: hex("checker").notNull(),
    verdict: count("verdict").notNull(),
    code: text("code"),
    statement: record<Signed<CheckResult>>("statement").notNull(),
    checkedAtMs: timeMs("checked_at_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.job, table.attempt, table.seq, table.check, table.checker] }),
    index("checks_failed").on(table.job, table.attempt, table.seq).where(sql`${table.verdict} = 2`),
  ],
);

export const checkTotals = pgTable(
  "check_totals",
  {
    job: hex("job").notNull(),
    attempt: count("attempt").notNull(),
    checks: count("checks").notNull(),
    failed: count("failed").notNull(),
  },
  (table) => [primaryKey({ columns: [table.job, table.attempt] })],
);

export const selections = pgTable(
  "selections",
  {
    id: hex("id").primaryKey(),
    stream: hex("stream").notNull(),
    job: hex("job").notNull(),
    receipt: record<Signed<SelectionReceipt>>("receipt").notNull(),
    /** As `bodyToText` wrote it: what was hashed. */
    body: text("body").notNull(),
    tableRoot: hex("table_root").notNull(),
    decidedAtMs: timeMs("decided_at_ms").notNull(),
  },
  (table) => [index("selections_job").on(table.job)],
);

/** Tables that a decision was made from; others are forgotten. */
export const candidateTables = pgTable("candidate_tables", {
  root: hex("root").primaryKey(),
  rows: record<readonly Candidate[]>("rows").notNull(),
  createdAtMs: timeMs("created_at_ms").notNull(),
});

export const seedEpochs = pgTable("seed_epochs", {
  epoch: count("epoch").primaryKey(),
  secret: hex("secret").notNull(),
  commit: record<Signed<SeedCommit>>("commit").notNull(),
  /** Preimages handed out; written before one is used, so that none is used twice. */
  used: count("used").notNull(),
});

/** What a cluster knows of a node's work. */
export const standings = pgTable("standings", {
  node: hex("node").primaryKey(),
  good: wide("good").notNull(),
  bad: wide("bad").notNull(),
  passed: count("passed").notNull(),
  failed: count("failed").notNull(),
});

export const vouchers = pgTable(
  "vouchers",
  {
    side: text("side").$type<"issued" | "held">().notNull(),
    channel: hex("channel").notNull(),
    seq: wide("seq").notNull(),
    voucher: record<Signed<Voucher>>("voucher").notNull(),
    receiptsRoot: hex("receipts_root").notNull(),
    receiptHashes: record<readonly Hex[]>("receipt_hashes").notNull(),
    acknowledged: boolean("acknowledged").notNull(),
  },
  (table) => [primaryKey({ columns: [table.side, table.channel] })],
);

export const ledgerEntries = pgTable(
  "ledger_entries",
  {
    side: text("side").$type<"issued" | "held">().notNull(),
    channel: hex("channel").notNull(),
    job: hex("job").notNull(),
    attempt: count("attempt").notNull(),
    seq: wide("seq").notNull(),
    exact: wide("exact").notNull(),
    receiptHash: hex("receipt_hash").notNull(),
    state: text("state").$type<"waiting" | "payable" | "vouchered" | "forfeited">().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.side, table.channel, table.job, table.attempt, table.seq] }),
    // Without what is settled, which is nearly all: that is found by its key.
    index("ledger_entries_unsettled")
      .on(table.side, table.channel, table.state)
      .where(sql`${table.state} <> 'vouchered'`),
  ],
);

/** Exact sum of what is payable or vouchered in a channel since it began, forgotten entries and adjustments included. */
export const channelTotals = pgTable(
  "channel_totals",
  {
    side: text("side").$type<"issued" | "held">().notNull(),
    channel: hex("channel").notNull(),
    exact: wide("exact").notNull(),
  },
  (table) => [primaryKey({ columns: [table.side, table.channel] })],
);

export const collections = pgTable("collections", {
  channel: hex("channel").primaryKey(),
  collected: wide("collected").notNull(),
  transaction: hex("transaction").notNull(),
  blockNumber: wide("block_number").notNull(),
});

export const idempotencyKeys = pgTable("idempotency_keys", {
  key: text("key").primaryKey(),
  fingerprint: text("fingerprint").notNull(),
  /** Null while the first request is being answered. */
  answer: record<StoredAnswer>("answer"),
  createdAtMs: timeMs("created_at_ms").notNull(),
});

/** Where accounts are told what happens. */
export const webhookEndpoints = pgTable(
  "webhook_endpoints",
  {
    id: text("id").primaryKey(),
    account: hex("account").notNull(),
    url: text("url").notNull(),
    /** Both sides need it: what is sent is signed by it. */
    secret: text("secret").notNull(),
    events: record<readonly EventType[]>("events").notNull(),
    createdAtMs: timeMs("created_at_ms").notNull(),
  },
  (table) => [index("webhook_endpoints_account").on(table.account)],
);

/** What is to be told, and for a day what was. */
export const webhookEvents = pgTable(
  "webhook_events",
  {
    endpoint: text("endpoint").notNull(),
    id: text("id").notNull(),
    /** In the order of which events are told. */
    position: bigserial("position", { mode: "number" }).notNull(),
    type: text("type").$type<EventType>().notNull(),
    /** As it is signed and sent. */
    body: text("body").notNull(),
    createdAtMs: timeMs("created_at_ms").notNull(),
    attempts: count("attempts").notNull(),
    nextAtMs: timeMs("next_at_ms").notNull(),
    doneAtMs: timeMs("done_at_ms"),
    doneCode: text("done_code"),
  },
  (table) => [primaryKey({ columns: [table.endpoint, table.id] })],
);
