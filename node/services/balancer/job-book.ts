import { randomBytes } from "node:crypto";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobSpec } from "@leat/sdk/protocol/job.ts";
import { Mutex } from "../../kernel/mutex.ts";
import { Recent } from "../../kernel/recent.ts";
import type { AttemptRow, JobRow, JobStore } from "../../store/sql/job-store.ts";
import { BalancerError } from "./errors.ts";

/** A job that is not over, with its newest attempt. */
export interface LiveJob {
  row: JobRow;
  attempt: AttemptRow | undefined;
}

export type RunningLive = LiveJob & { attempt: AttemptRow };

/** Jobs whose last receipts and checks may still come, and for how long they mostly do; later ones are read from disk. */
const MOST_OVER = 2_000;
const OVER_MS = 300_000;

/** Jobs that are not over: in memory for speed, on disk before anybody is told. */
export class JobBook {
  readonly #store: JobStore;
  readonly #jobs = new Map<Hex, LiveJob>();
  /** The same by their streams: who asks for those of one reads not all. */
  readonly #byStream = new Map<Hex, Set<LiveJob>>();
  /** Those that ended last. */
  readonly #over = new Recent<Hex, LiveJob>(MOST_OVER, { ageMs: OVER_MS });
  /** Each change starts from what the last one left: two at once would undo each other. */
  readonly #mutex = new Mutex();

  constructor(store: JobStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const row of await this.#store.openJobs()) {
      const attempt = row.attempt === 0 ? undefined : await this.#store.attempt(row.id, row.attempt);
      this.#add({ row, attempt });
    }
  }

  all(): LiveJob[] {
    return [...this.#jobs.values()];
  }

  find(job: Hex): LiveJob | undefined {
    return this.#jobs.get(job);
  }

  /** Also one that is over. */
  async job(id: Hex): Promise<JobRow | undefined> {
    return this.#known(id)?.row ?? this.#store.job(id);
  }

  /** Also one before the newest, from disk. */
  async attempt(job: Hex, attempt: number): Promise<AttemptRow | undefined> {
    const newest = this.#known(job)?.attempt;
    return newest?.attempt === attempt ? newest : this.#store.attempt(job, attempt);
  }

  ofStream(stream: Hex): LiveJob[] {
    return [...(this.#byStream.get(stream) ?? [])];
  }

  part(stream: Hex, part: string): LiveJob | undefined {
    return this.ofStream(stream).find(({ row }) => row.part === part);
  }

  /** Whose a stream's segment is: of all that ever took the stream in, the newest that began at or before it. */
  async originAt(stream: Hex, sequence: number): Promise<Address | undefined> {
    const live = this.part(stream, "ingest");
    if (live?.attempt !== undefined && sequence >= live.attempt.startSequence) return live.attempt.node;
    return (await this.ingestsOf(stream)).findLast(({ startSequence }) => startSequence <= sequence)?.node;
  }

  /** All attempts at taking the stream in, oldest first: one that paused goes on with another job. */
  async ingestsOf(stream: Hex): Promise<AttemptRow[]> {
    const rows = (await this.#store.jobsOf(stream)).filter(({ part }) => part === "ingest");
    return (await Promise.all(rows.map(({ id }) => this.#store.attemptsOf(id)))).flat();
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
    this.#add(live);
    return live;
  }

  /** What is asked, of what is asked by then, whatever was changed before. */
  changeSpec(live: LiveJob, change: (spec: JobSpec) => JobSpec): Promise<void> {
    return this.#mutex.run(() => this.#change(live, { spec: change(live.row.spec) }));
  }

  exclude(live: LiveJob, node: Address, reason: string): Promise<void> {
    return this.#mutex.run(async () => {
      if (live.row.excluded.some((entry) => entry.node === node)) return;
      await this.#change(live, { excluded: [...live.row.excluded, { node, reason }] });
    });
  }

  /**
   * A new attempt, on disk together with its job. `specOf`: what is asked, of what is asked by then.
   * @throws STREAM_ENDED where its stream ended while nodes were asked: nobody must be given it now
   */
  begin(live: LiveJob, attempt: AttemptRow, specOf: (spec: JobSpec) => JobSpec = (spec) => spec): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#jobs.get(live.row.id) !== live) {
        throw new BalancerError({ code: "STREAM_ENDED", stream: live.row.stream });
      }
      const spec = specOf(live.row.spec);
      await this.#put(live, { ...live.row, spec, attempt: attempt.attempt, state: "running" }, attempt);
    });
  }

  /** An edge is granted more of its stream's budget. False where the attempt is over. */
  grant(live: LiveJob, attempt: number, grantedBytes: bigint): Promise<boolean> {
    return this.#mutex.run(async () => {
      if (!isRunning(live) || live.attempt.attempt !== attempt) return false;
      await this.#put(live, live.row, { ...live.attempt, grantedBytes });
      return true;
    });
  }

  /** The attempt is over; the job waits for the next one. False where it was over before. */
  endAttempt(live: LiveJob, { attempt: number }: AttemptRow, end: AttemptEnd): Promise<boolean> {
    return this.#mutex.run(async () => {
      if (!isRunning(live) || live.attempt.attempt !== number) return false;
      await this.#put(live, { ...live.row, state: "waiting" }, { ...live.attempt, ...end });
      return true;
    });
  }

  /** The job is over, and with it the attempt that ran, which is answered. */
  end(live: LiveJob, code: string, nowMs: number): Promise<AttemptRow | undefined> {
    return this.#mutex.run(async () => {
      const ran = isRunning(live) ? live.attempt : undefined;
      const over = { endedAtMs: nowMs, endCode: code };
      const row: JobRow = { ...live.row, ...over, state: "ended" };
      if (ran === undefined) await this.#store.putJob(row);
      else await this.#put(live, row, { ...ran, ...over, state: "ended", endSequence: null });
      live.row = row;
      this.#remove(live);
      return ran;
    });
  }

  #known(job: Hex): LiveJob | undefined {
    return this.#jobs.get(job) ?? this.#over.get(job);
  }

  #add(live: LiveJob): void {
    const { id, stream } = live.row;
    this.#jobs.set(id, live);
    const ofStream = this.#byStream.get(stream) ?? new Set();
    this.#byStream.set(stream, ofStream.add(live));
  }

  #remove(live: LiveJob): void {
    const { id, stream } = live.row;
    this.#jobs.delete(id);
    this.#over.set(id, live);
    const ofStream = this.#byStream.get(stream);
    ofStream?.delete(live);
    if (ofStream?.size === 0) this.#byStream.delete(stream);
  }

  async #change(live: LiveJob, change: Partial<JobRow>): Promise<void> {
    const row = { ...live.row, ...change };
    await this.#store.putJob(row);
    live.row = row;
  }

  async #put(live: LiveJob, row: JobRow, attempt: AttemptRow): Promise<void> {
    await this.#store.putAttempt(row, attempt);
    live.row = row;
    live.attempt = attempt;
  }
}

/**
 * How an attempt ended. `endSequence` is the first segment that is not its own any more, null where it ended whole.
 * `grantedBytes` where it never had what it was to be granted.
 */
export type AttemptEnd = Pick<AttemptRow, "state" | "endSequence" | "endedAtMs" | "endCode"> &
  Partial<Pick<AttemptRow, "grantedBytes">>;

/** Whether the job is being done now. */
export function isRunning(live: LiveJob): live is RunningLive {
  return live.row.state === "running" && live.attempt?.state === "running";
}
