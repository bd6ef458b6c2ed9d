import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { RunningJob, TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import type { LiveJob } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

/** How far each stream came, as its origin tells. */
export class StreamProgress {
  readonly #components: Pick<BalancerComponents, "jobStore">;
  readonly #streams: Pick<StreamBook, "find">;
  /** Newest published segment per stream and rung. */
  readonly #published = new Map<Hex, Map<number, number>>();
  /** The last segment of each stream whose source is over, -1 where there was none. */
  readonly #last = new Map<Hex, number>();
  /** Streams whose origin told what it has since this balancer started. */
  readonly #heard = new Set<Hex>();

  constructor(components: Pick<BalancerComponents, "jobStore">, streams: Pick<StreamBook, "find">) {
    this.#components = components;
    this.#streams = streams;
  }

  /** True for the first word of a stream's origin. */
  heard(stream: Hex, published: readonly { readonly rung: number; readonly sequence: number }[]): boolean {
    const isFirst = !this.#heard.has(stream);
    this.#heard.add(stream);
    for (const { rung, sequence } of published) this.note(stream, rung, sequence);
    return isFirst;
  }

  wasHeard(stream: Hex): boolean {
    return this.#heard.has(stream);
  }

  note(stream: Hex, rung: number, sequence: number): void {
    const known = this.#published.get(stream) ?? new Map<number, number>();
    known.set(rung, Math.max(known.get(rung) ?? -1, sequence));
    this.#published.set(stream, known);
  }

  /** The newest segment that its origin published, of any rung; undefined before the first. */
  newest(stream: Hex): number | undefined {
    const published = this.#published.get(stream);
    return published && Math.max(...published.values());
  }

  /**
   * Whether who serves a stream is more than `segments` behind what its origin published, in all of it or in a rung that
   * it says stands, and that its origin goes on with.
   */
  isBehind(stream: Hex, served: Pick<RunningJob, "sequence" | "late">, segments: number): boolean {
    const published = this.#published.get(stream);
    const newest = this.newest(stream);
    if (published === undefined || newest === undefined) return false;
    if (newest - (served.sequence ?? -1) > segments) return true;
    return (served.late ?? []).some((rung) => newest - (published.get(rung) ?? -1) <= 1);
  }

  /** A publisher sends, perhaps again. */
  sourceBegan(stream: Hex): void {
    this.#last.delete(stream);
  }

  sourceEnded(stream: Hex, lastSequence: number): void {
    this.#last.set(stream, lastSequence);
  }

  forget(stream: Hex): void {
    this.#published.delete(stream);
    this.#last.delete(stream);
    this.#heard.delete(stream);
  }

  /** Whether the source is over and every segment of the job is published. */
  async isWhole(live: LiveJob): Promise<boolean> {
    const last = this.#last.get(live.row.stream);
    return last !== undefined && live.row.primitive === "transcode" && (await this.#told(live)) > last;
  }

  /**
   * The first segment of a transcode job that is not published yet. An origin is believed one segment beyond what its
   * buyer's credit was asked about: it and a transcoder may be one.
   */
  async nextSequence(live: LiveJob): Promise<number> {
    const { stream } = live.row;
    const begun = (await this.#streams.find(stream))?.nextSequence ?? 0;
    return Math.min(await this.#told(live), begun + 1);
  }

  async #told(live: LiveJob): Promise<number> {
    const spec = live.row.spec as TranscodeSpec;
    const known = this.#published.get(live.row.stream);
    const newest = spec.rungs.map(({ rung }) => known?.get(rung) ?? -1);
    const next = Math.max(spec.startSequence, Math.min(...newest) + 1);
    if (newest.every((sequence) => sequence >= 0)) return next;
    // After a restart: what was checked was published.
    const passed = await this.#components.jobStore.lastPassed(live.row.id);
    return passed === undefined ? next : Math.max(next, passed + 1);
  }
}
