import { randomBytes } from "node:crypto";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobSpec } from "@leat/sdk/protocol/job.ts";
import type { AttemptRow, JobRow, JobStore } from "../../store/sql/job-store.ts";
import { BalancerError } from "./errors.ts";

/** A job that is not over, with its newest attempt. */
export interface LiveJob {
  row: JobRow;
  attempt: AttemptRow | undefined;
}

/** Jobs that are not over: in memory for speed, on disk before anybody is told. */
export class JobBook {
  readonly #store: JobStore;
  readonly #jobs = new Map<Hex, LiveJob>();

  constructor(store: JobStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const row of await this.#store.openJobs()) {
      const attempt = row.attempt === 0 ? undefined : await this.#store.attempt(row.id, row.attempt);
      this.#jobs.set(row.id, { row, attempt });
    }
  }

  all(): LiveJob[] {
    return [...this.#jobs.values()];
  }

  find(job: Hex): LiveJob | undefined {
    return this.#jobs.get(job);
  }

  ofStream(stream: Hex): LiveJob[] {
    return this.all().filter(({ row }) => row.stream === stream);
  }

  part(stream: Hex, part: string): LiveJob | undefined {
    return this.all().find(({ row }) => row.stream === stream && row.part === part);
  }

  async create(stream: Hex, part: string, spec: JobSpec, nowMs: number): Promise<LiveJob> {
    const row: JobRow = {
      id: bytesToHex(randomBytes(32)),
      stream,
      primitive: spec.primitive,
      part,
      state: "waiting",
      spec,
      attempt: 0,
      excluded: [],
      createdAtMs: nowMs,
      endedAtMs: null,
      endCode: null,
    };
    await this.#store.putJob(row);
    const live: LiveJob = { row, attempt: undefined };
    this.#jobs.set(row.id, live);
    return live;
  }

  async change(live: LiveJob, change: Partial<JobRow>): Promise<void> {
    live.row = { ...live.row, ...change };
    await this.#store.putJob(live.row);
  }

  async exclude(live: LiveJob, node: Address, reason: string): Promise<void> {
    if (live.row.excluded.some((entry) => entry.node === node)) return;
    await this.change(live, { excluded: [...live.row.excluded, { node, reason }] });
  }

  /** A new attempt, on disk together with its job. */
  async begin(live: LiveJob, attempt: AttemptRow): Promise<void> {
    // Its stream ended while nodes were asked: nobody must be given it now.
    if (this.#jobs.get(live.row.id) !== live) {
      throw new BalancerError({ code: "STREAM_ENDED", stream: live.row.stream });
    }
    const row: JobRow = { ...live.row, attempt: attempt.attempt, state: "running" };
    await this.#store.putAttempt(row, attempt);
    live.row = row;
    live.attempt = attempt;
  }

  /** The attempt is over; the job waits for the next one. */
  async endAttempt(live: LiveJob, change: Partial<AttemptRow>): Promise<void> {
    if (live.attempt === undefined) return;
    const attempt: AttemptRow = { ...live.attempt, ...change };
    const row: JobRow = { ...live.row, state: "waiting" };
    await this.#store.putAttempt(row, attempt);
    live.row = row;
    live.attempt = attempt;
  }

  async end(live: LiveJob, code: string, nowMs: number): Promise<void> {
    await this.change(live, { state: "ended", endedAtMs: nowMs, endCode: code });
    this.#jobs.delete(live.row.id);
  }
}

/** Whether the job is being done now. */
export function isRunning(live: LiveJob): live is LiveJob & { attempt: AttemptRow } {
  return live.row.state === "running" && live.attempt?.state === "running";
}
