import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { ServedTotals } from "@leat/sdk/protocol/job.ts";
import { Mutex } from "../../kernel/mutex.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { MAX_VIEWERS } from "../../media-io/hls/audience.ts";
import type { AudiencePeakRow, AudienceTotalRow, StoredAudience } from "../../store/sql/audience-store.ts";
import type { AttemptRow } from "../../store/sql/job-store.ts";
import type { NodePresence } from "../session/hub.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";
import type { ViewerCount } from "./viewer-count.ts";

/** Viewers of a stream and what they got, all its edges together, as those say. */
export interface StreamAudience extends StoredAudience {
  readonly viewers: number;
}

export interface AudienceBookParts {
  readonly streams: Pick<StreamBook, "open">;
  readonly jobs: JobBook;
  readonly viewers: Pick<ViewerCount, "at">;
  readonly tasks: TaskGroup;
}

const LOOK_MS = 1_000;
/** What is not written yet is lost with the process: of totals nothing, which edges tell again. */
const WRITE_MS = 10_000;
/** What an edge has when it begins is taken faster than it plays. */
const AHEAD_MS = 60_000;
/** Nodes offer less than their line carries, but not by more than so many times. */
const ABOVE_OFFER = 4;

interface Entry {
  viewers: number;
  peakViewers: number;
  peakAtMs: number | null;
  watchedMs: bigint;
  servedBytes: bigint;
}

/** What an attempt was counted with. */
interface Told {
  readonly stream: Hex;
  readonly attempt: Pick<AttemptRow, "job" | "attempt" | "node" | "startedAtMs">;
  watchedMs: number;
  servedBytes: number;
  /** It was over when that was looked at last: its node has had time for its last words. */
  isOver: boolean;
  /** Its stream's sums are on disk alone. */
  isSettled: boolean;
}

const nobody: StreamAudience = { viewers: 0, peakViewers: 0, peakAtMs: null, watchedMs: 0n, servedBytes: 0n };

/**
 * Counts viewers per stream. Each attempt's totals count by what they grew, so that nothing counts twice, whatever moves
 * or comes back. They are its node's own words: nobody is paid by them, and what no machine could do is not believed.
 */
export class AudienceBook {
  readonly #components: Pick<BalancerComponents, "audienceStore" | "hub" | "clock" | "logger">;
  readonly #parts: AudienceBookParts;
  readonly #entries = new Map<Hex, Entry>();
  /** By job and attempt. */
  readonly #told = new Map<string, Told>();
  readonly #unwrittenTotals = new Map<string, AudienceTotalRow>();
  readonly #unwrittenPeaks = new Map<Hex, AudiencePeakRow>();
  /** Streams of which nothing follows. */
  readonly #over = new Set<Hex>();
  /** Of two writes of one row the later must be the last. */
  readonly #writing = new Mutex();

  constructor(
    components: Pick<BalancerComponents, "audienceStore" | "hub" | "clock" | "logger">,
    parts: AudienceBookParts,
  ) {
    this.#components = components;
    this.#parts = parts;
  }

  async load(): Promise<void> {
    const { audienceStore } = this.#components;
    for (const [stream, stored] of await audienceStore.open()) this.#entries.set(stream, { ...nobody, ...stored });
    for (const { stream, job, attempt, watchedMs, servedBytes } of await audienceStore.openTotals()) {
      const live = this.#parts.jobs.find(job);
      if (live?.attempt?.attempt !== attempt) continue;
      const totals = { watchedMs: Number(watchedMs), servedBytes: Number(servedBytes) };
      Object.assign(this.#toldOf(stream, live.attempt), totals);
    }
  }

  start(): void {
    this.#parts.tasks.every(LOOK_MS, () => this.#look());
    this.#parts.tasks.every(WRITE_MS, () => this.#write());
  }

  /** When nothing is counted any more. */
  async close(): Promise<void> {
    await this.#tryToWrite();
  }

  heard({ node, heartbeat }: NodePresence): void {
    for (const { job, attempt, primitive, served } of heartbeat?.jobs ?? []) {
      if (primitive !== "delivery") continue;
      const live = this.#parts.jobs.find(job);
      if (live === undefined || !isRunning(live) || live.row.primitive !== "delivery") continue;
      if (live.attempt.attempt !== attempt || live.attempt.node !== node) continue;
      this.#note(this.#toldOf(live.row.stream, live.attempt), served ?? { watchedMs: 0, bytes: 0 });
    }
  }

  /** The last words of an attempt that is over. */
  ended(attempt: Pick<AttemptRow, "job" | "attempt" | "node">, served: ServedTotals): void {
    const told = this.#told.get(keyOf(attempt));
    if (told?.attempt.node === attempt.node) this.#note(told, served);
  }

  async of(ids: readonly Hex[]): Promise<ReadonlyMap<Hex, StreamAudience>> {
    const stored = await this.#components.audienceStore.find(ids.filter((id) => !this.#entries.has(id)));
    return new Map(ids.map((id) => [id, { ...nobody, ...(this.#entries.get(id) ?? stored.get(id)) }]));
  }

  /** The stream is over and its nodes have said what they had to. */
  async settle(stream: Hex): Promise<void> {
    this.#over.add(stream);
    await this.#tryToWrite();
  }

  #toldOf(stream: Hex, attempt: AttemptRow): Told {
    const key = keyOf(attempt);
    const told = this.#told.get(key) ?? {
      stream,
      attempt,
      watchedMs: 0,
      servedBytes: 0,
      isOver: false,
      isSettled: false,
    };
    this.#told.set(key, told);
    return told;
  }

  /** What is less than before is no news: an older word, or a lie. */
  #note(told: Told, served: ServedTotals): void {
    const { stream, attempt } = told;
    const most = this.#mostOf(attempt);
    const watchedMs = Math.max(told.watchedMs, Math.min(served.watchedMs, most.watchedMs));
    const servedBytes = Math.max(told.servedBytes, Math.min(served.bytes, most.bytes));
    if (watchedMs === told.watchedMs && servedBytes === told.servedBytes) return;
    // Of a stream that is settled the sums are on disk alone.
    const entry = told.isSettled ? this.#entries.get(stream) : this.#entryOf(stream);
    if (entry !== undefined) {
      entry.watchedMs += BigInt(watchedMs - told.watchedMs);
      entry.servedBytes += BigInt(servedBytes - told.servedBytes);
    }
    Object.assign(told, { watchedMs, servedBytes });
    const sums = { watchedMs: BigInt(watchedMs), servedBytes: BigInt(servedBytes) };
    this.#unwrittenTotals.set(keyOf(attempt), { stream, job: attempt.job, attempt: attempt.attempt, ...sums });
  }

  /** As much as an attempt can have come to by now. */
  #mostOf({ node, startedAtMs }: Told["attempt"]): ServedTotals {
    const { hub, clock } = this.#components;
    const forMs = Math.max(0, clock.nowMs() - startedAtMs) + AHEAD_MS;
    const offers = hub.nodes.get(node)?.hello.offer?.body.primitives ?? [];
    const offered = offers.find(({ primitive }) => primitive === "delivery")?.capacity ?? 0;
    return { watchedMs: MAX_VIEWERS * forMs, bytes: Math.floor((ABOVE_OFFER * offered * forMs) / 1_000) };
  }

  #entryOf(stream: Hex): Entry {
    const entry = this.#entries.get(stream) ?? { ...nobody };
    this.#entries.set(stream, entry);
    return entry;
  }

  #look(): void {
    const { streams, jobs, viewers } = this.#parts;
    const running = jobs.all().filter(isRunning);
    const edges = Map.groupBy(
      running.filter(({ row }) => row.primitive === "delivery"),
      ({ row }) => row.stream,
    );
    const now = new Map<Hex, number>();
    for (const stream of streams.open()) {
      const counts = (edges.get(stream.id) ?? []).map((live) => Math.min(viewers.at(stream, live), MAX_VIEWERS));
      const sum = counts.reduce((total, count) => total + count, 0);
      if (sum > 0) now.set(stream.id, sum);
    }
    for (const [stream, entry] of this.#entries) if (!now.has(stream)) entry.viewers = 0;
    for (const [stream, count] of now) this.#count(stream, count);
  }

  #count(stream: Hex, viewers: number): void {
    const entry = this.#entryOf(stream);
    entry.viewers = viewers;
    if (viewers <= entry.peakViewers) return;
    const atMs = this.#components.clock.nowMs();
    Object.assign(entry, { peakViewers: viewers, peakAtMs: atMs });
    this.#unwrittenPeaks.set(stream, { stream, viewers, atMs });
  }

  async #tryToWrite(): Promise<void> {
    await this.#write().catch((error) => this.#components.logger.error("Write audiences failed", { error }));
  }

  #write(): Promise<void> {
    return this.#writing.run(async () => {
      const over = [...this.#over];
      const totals = new Map(this.#unwrittenTotals);
      const peaks = new Map(this.#unwrittenPeaks);
      if (totals.size + peaks.size > 0) {
        await this.#components.audienceStore.put([...totals.values()], [...peaks.values()]);
      }
      for (const [key, row] of totals) if (this.#unwrittenTotals.get(key) === row) this.#unwrittenTotals.delete(key);
      for (const [key, row] of peaks) if (this.#unwrittenPeaks.get(key) === row) this.#unwrittenPeaks.delete(key);
      this.#forget(over);
    });
  }

  /** Streams that were over before all of them was written, and attempts of which nothing follows. */
  #forget(over: readonly Hex[]): void {
    for (const stream of over) {
      this.#over.delete(stream);
      this.#entries.delete(stream);
      for (const told of this.#told.values()) if (told.stream === stream) told.isSettled = true;
    }
    for (const [key, told] of this.#told) {
      const live = this.#parts.jobs.find(told.attempt.job);
      const isOver = live?.attempt?.attempt !== told.attempt.attempt || !isRunning(live);
      if (isOver && told.isOver) this.#told.delete(key);
      else told.isOver = isOver;
    }
  }
}

function keyOf({ job, attempt }: Pick<AttemptRow, "job" | "attempt">): string {
  return `${job} ${attempt}`;
}
