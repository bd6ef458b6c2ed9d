import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { MayWork, Payee } from "@leat/node/services/payment/index.ts";
import { PublicError, RemoteError } from "@leat/node/wire/errors.ts";
import type { BalancerRequest, BalancerResponse } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type Channel, hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import {
  hashJobSpec,
  hashPrices,
  type JobSpec,
  type JobTerms,
  type NodeCapacity,
  type Prices,
  priceUnitOf,
  type RunningJob,
  type ServedTotals,
} from "@leat/sdk/protocol/job.ts";
import { type Assignment, type Quote, quoteStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, StatementSigner, Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";
import { checkAssignment, findQuoteFault, JobError } from "./assignment.ts";
import { CapacityBook, capacityOptions, type SoldPrimitive } from "./capacity-book.ts";
import type { JobSession } from "./ports.ts";
import { QuoteBook } from "./quote-book.ts";
import type { AttemptKey, ReceiptBook } from "./receipt-book.ts";

export const jobDeskOptions = Type.Object(
  {
    capacity: capacityOptions,
    quoteValidMs: Type.Integer({
      default: 86_400_000,
      minimum: 60_000,
      description: "How long a quoted price stands, milliseconds: longer than the longest stream",
    }),
    segmentMs: Type.Integer({
      default: 4_000,
      minimum: 1_000,
      maximum: 60_000,
      description: "Longest segment that the credit limit must cover, milliseconds",
    }),
    samplingRate: Type.Number({
      default: 1,
      minimum: 0.01,
      maximum: 1,
      description: "Share of segments that are checked before pay: 1 holds back one segment, 0.05 holds back 20",
    }),
    reportRetryMs: Type.Integer({
      default: 500,
      minimum: 10,
      description: "Pause before the end of a job is reported again to a balancer that did not answer, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

/** A job that was given to this node, with all that is needed to do it and to be paid. */
export interface AssignedJob<S extends JobSpec = JobSpec> {
  readonly job: Hex;
  readonly attempt: number;
  readonly assignment: Signed<Assignment>;
  readonly quote: Quote;
  readonly spec: S;
  readonly channel: Channel;
  /** Exact amount for one unit of the job's work. */
  readonly price: bigint;
}

export type JobChange = Omit<BalancerRequest<"job.update">, "job" | "attempt">;

export interface JobAudience {
  readonly viewers: number;
  readonly served: ServedTotals;
}

/** A service that does the jobs of one primitive. */
export interface JobRunner {
  readonly primitive: SoldPrimitive;
  /** What so many units a second count of the capacity; undefined where they are more than it can do. Absent: what they are. */
  loadOf?(units: number, codec: VideoCodec | undefined): number | undefined;
  /** Pixels a second that its encoders can sell, as they were measured. Absent: nothing is known. */
  readonly sellablePixels?: number;
  /** Begins the work and returns; throws a CodedError where it cannot. */
  begin(job: AssignedJob): void;
  change(job: Hex, attempt: number, change: JobChange): void;
  /** Ends the work; resolves when its receipts are written. The runner calls `finish` no more. */
  end(job: Hex, attempt: number, code: string): Promise<void>;
  /** The newest segment begun; null before the first. */
  sequenceOf(job: Hex): number | null;
  /** How many watch what it does now, and what they got since it began, where it is something to watch. */
  audienceOf?(job: Hex): JobAudience | undefined;
  /** Rungs of what is delivered that stand while others go on. */
  lateOf?(job: Hex): readonly number[];
  /** The newest segment of a stream that this service knows. */
  positionOf(stream: Hex): number | null;
}

export interface JobDesk {
  /** Call while starting. */
  register(runner: JobRunner): void;
  /** Checks terms that came another way than by `job.assign` (a publish grant) and opens the job's account. */
  admit(terms: JobTerms): Promise<AssignedJob>;
  mayWork(job: Hex): MayWork;
  /** The work is over, by its own end or by a failure that the balancer is told. */
  finish(job: AssignedJob, failure?: { readonly code: string; readonly sequence: number | null }): void;
  /** For heartbeats. */
  capacity(): NodeCapacity;
  /** Also those that are over and whose end the balancer has not heard: to it, a job that is missing was forgotten. */
  runningJobs(): RunningJob[];
  /** No new jobs from now on. */
  drain(): void;
}

export interface JobDeskComponents {
  readonly session: JobSession;
  readonly payee: Pick<Payee, "openJob" | "closeJob" | "mayWork">;
  readonly receipts: Pick<ReceiptBook, "open" | "begin" | "end">;
  readonly statements: Statements;
  readonly signer: StatementSigner;
  readonly domain: Domain;
  /** The node's prices in a token; undefined where it does not take the token. */
  readonly prices: (token: Address) => Prices | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Running {
  readonly job: AssignedJob;
  readonly runner: JobRunner | undefined;
}

export class JobDeskService implements JobDesk, Startable {
  readonly #components: JobDeskComponents;
  readonly #options: Static<typeof jobDeskOptions>;
  readonly #book: CapacityBook;
  readonly #runners = new Map<string, JobRunner>();
  readonly #running = new Map<Hex, Running>();
  /** Over, and the balancer does not know it yet. */
  readonly #untold = new Map<Hex, Running>();
  readonly #quotes: QuoteBook;
  readonly #assigning = new Map<string, Promise<{ accepted: true }>>();
  readonly #tasks: TaskGroup;
  #draining = false;

  constructor(components: JobDeskComponents, options: Static<typeof jobDeskOptions>) {
    this.#components = components;
    this.#options = options;
    this.#book = new CapacityBook(options.capacity);
    this.#quotes = new QuoteBook(components, options.quoteValidMs);
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.error("Report job failed", { error }),
    });
  }

  async start(): Promise<void> {
    const { session, receipts } = this.#components;
    await receipts.open();
    session.handle("job.reserve", async (request) => this.#reserve(request));
    session.handle("quote.request", (request) => answerPublicly(() => this.#quote(request)));
    session.handle("job.assign", (terms) => answerPublicly(() => this.#assign(terms)));
    session.handle("job.update", async ({ job, attempt, ...change }) => {
      this.#running.get(job)?.runner?.change(job, attempt, change);
      return {};
    });
    session.handle("job.end", async ({ job, attempt, code }) => {
      const served = await this.#end(job, attempt, code);
      return isNothing(served) ? {} : { served };
    });
    session.handle("stream.position", async ({ stream }) => {
      const known = [...this.#runners.values()].map((runner) => runner.positionOf(stream)).filter((at) => at !== null);
      return { sequence: known.length === 0 ? null : Math.max(...known) };
    });
  }

  async stop(): Promise<void> {
    this.#draining = true;
    await this.#tasks.close();
  }

  register(runner: JobRunner): void {
    this.#runners.set(runner.primitive, runner);
    if (runner.sellablePixels !== undefined) this.#book.noteTranscode(runner.sellablePixels);
  }

  drain(): void {
    this.#draining = true;
  }

  mayWork(job: Hex): MayWork {
    return this.#components.payee.mayWork(job);
  }

  capacity(): NodeCapacity {
    return this.#book.capacity(this.#components.clock.nowMs(), new Set(this.#runners.keys()));
  }

  runningJobs(): RunningJob[] {
    const known = new Map([...this.#untold, ...this.#running]);
    return [...known.values()].map(({ job: { job, attempt, spec }, runner }) => {
      const { viewers = 0, served } = runner?.audienceOf?.(job) ?? {};
      const late = runner?.lateOf?.(job) ?? [];
      return {
        job,
        attempt,
        primitive: spec.primitive,
        stream: spec.stream,
        sequence: runner?.sequenceOf(job) ?? null,
        ...(viewers === 0 ? {} : { viewers }),
        ...(isNothing(served) ? {} : { served }),
        ...(late.length === 0 ? {} : { late: [...late] }),
      };
    });
  }

  async admit(terms: JobTerms): Promise<AssignedJob> {
    const { payee, receipts } = this.#components;
    const job = this.#check(terms);
    const held = this.#running.get(job.job);
    if (held !== undefined && held.job.attempt > job.attempt) {
      throw new JobError({ code: "JOB_ASSIGNMENT_STALE", held: held.job.attempt, offered: job.attempt });
    }
    await receipts.begin(job);
    const rate = this.#book.unitsPerSecond(job.job, terms.spec.primitive);
    try {
      await payee.openJob(
        {
          job: job.job,
          attempt: job.attempt,
          channel: job.channel,
          exactPerSecond: job.price * BigInt(rate),
          segmentMs: this.#options.segmentMs,
          samplingRate: this.#options.samplingRate,
          validUntil: minimum(terms.quote.value.validUntil, terms.assignment.value.validUntil),
        },
        terms.prepay,
      );
    } catch (error) {
      await receipts.end(job);
      throw error;
    }
    this.#book.confirm(job.job, terms.spec.primitive);
    this.#running.set(job.job, { job, runner: this.#runners.get(terms.spec.primitive) });
    return job;
  }

  finish(job: AssignedJob, failure?: { readonly code: string; readonly sequence: number | null }): void {
    const running = this.#running.get(job.job);
    if (running === undefined || !this.#forget(job.job, job.attempt)) {
      this.#endReceipts(job);
      return;
    }
    this.#untold.set(job.job, running);
    const { session } = this.#components;
    const key = { job: job.job, attempt: job.attempt };
    this.#report(key, () =>
      failure === undefined ? session.call("job.done", key) : session.call("job.failed", { ...key, ...failure }),
    );
  }

  #reserve(request: BalancerRequest<"job.reserve">): BalancerResponse<"job.reserve"> {
    const { job, primitive, units, codec } = request;
    if (this.#draining) return { granted: false, code: "JOB_DRAINING" };
    const runner = this.#runners.get(primitive);
    if (primitive === "storage" || runner === undefined) return { granted: false, code: "JOB_PRIMITIVE_UNSUPPORTED" };
    const load = runner.loadOf === undefined ? units : runner.loadOf(units, codec);
    const nowMs = this.#components.clock.nowMs();
    const expiresAt = load === undefined ? undefined : this.#book.reserve(job, primitive, { units, load }, nowMs);
    return expiresAt === undefined ? { granted: false, code: "JOB_CAPACITY_SHORT" } : { granted: true, expiresAt };
  }

  async #quote(request: BalancerRequest<"quote.request">): Promise<BalancerResponse<"quote.request">> {
    const wanted = this.#components.session.welcome?.clusterAccount;
    if (wanted === undefined) throw new JobError({ code: "JOB_SESSION_MISSING" });
    if (request.payer !== wanted) throw new JobError({ code: "JOB_PAYER_WRONG", wanted, found: request.payer });
    return this.#quotes.issue(request);
  }

  /** The balancer that did not hear the answer asks again, perhaps while the first is on its way. */
  #assign(terms: JobTerms): Promise<{ accepted: true }> {
    const { job, attempt } = terms.assignment.value;
    const key = `${job}/${attempt}`;
    const asked = this.#assigning.get(key);
    if (asked !== undefined) return asked;
    const answer = this.#take(terms).finally(() => this.#assigning.delete(key));
    this.#assigning.set(key, answer);
    return answer;
  }

  async #take(terms: JobTerms): Promise<{ accepted: true }> {
    const runner = this.#runners.get(terms.spec.primitive);
    if (runner === undefined || terms.spec.primitive === "ingest") {
      throw new JobError({ code: "JOB_PRIMITIVE_UNSUPPORTED", primitive: terms.spec.primitive });
    }
    const { job: id, attempt } = terms.assignment.value;
    const held = this.#running.get(id);
    if (held?.job.attempt === attempt) return { accepted: true };
    if (held !== undefined && held.job.attempt < attempt) await this.#end(id, held.job.attempt, "JOB_REPLACED");
    if (!this.#book.has(id)) throw new JobError({ code: "JOB_RESERVATION_MISSING", job: id });
    const job = await this.admit(terms);
    try {
      runner.begin(job);
    } catch (error) {
      this.#forget(job.job, attempt);
      await this.#components.receipts.end(job);
      throw error;
    }
    return { accepted: true };
  }

  /** Answers what its viewers got until now: no heartbeat tells it any more. */
  async #end(job: Hex, attempt: number, code: string): Promise<ServedTotals | undefined> {
    const held = this.#running.get(job);
    let served: ServedTotals | undefined;
    if (held !== undefined && held.job.attempt === attempt) {
      served = held.runner?.audienceOf?.(job)?.served;
      await held.runner?.end(job, attempt, code);
      this.#forget(job, attempt);
      // An origin goes on until its last segment is out, and then finishes by itself.
      if (held.job.spec.primitive !== "ingest") await this.#components.receipts.end(held.job);
    }
    // Bad work is written off; what else is owed waits for the balancer's last voucher.
    await this.#components.payee.closeJob(job, attempt, { forfeit: code.startsWith("CHECK_") });
    return served;
  }

  #check(terms: JobTerms): AssignedJob {
    const { statements, domain, signer, session, clock } = this.#components;
    const { assignment, quote, prices, spec } = terms;
    const welcome = session.welcome;
    if (welcome === undefined) throw new JobError({ code: "JOB_SESSION_MISSING" });
    const wrongField = findTermsFault(terms, signer.address, welcome.clusterAccount, domain);
    if (wrongField !== undefined) throw new JobError({ code: "JOB_QUOTE_WRONG", field: wrongField });
    const unit = priceUnitOf(spec);
    const price = prices[unit];
    if (price === undefined) throw new JobError({ code: "JOB_PRICE_MISSING", unit });
    this.#quotes.requireIssued(terms);
    statements.verifySigned(quoteStructure, domain, quote, signer.address);
    const nowMs = clock.nowMs();
    checkAssignment(assignment, { statements, domain, balancers: [welcome.balancer], node: signer.address, nowMs });
    const channel = hubChannel(quote.value.payer, signer.address, quote.value.token);
    return {
      job: assignment.value.job,
      attempt: assignment.value.attempt,
      assignment,
      quote: quote.value,
      spec,
      channel,
      price,
    };
  }

  #forget(job: Hex, attempt: number): boolean {
    if (this.#running.get(job)?.job.attempt !== attempt) return false;
    this.#running.delete(job);
    this.#book.release(job);
    return true;
  }

  #endReceipts(attempt: AttemptKey): void {
    if (!this.#tasks.signal.aborted) this.#tasks.run(() => this.#components.receipts.end(attempt));
  }

  /** Tells the balancer until it answers anything at all (a refusal says that it knows better), then closes the account. */
  #report({ job, attempt }: { readonly job: Hex; readonly attempt: number }, send: () => Promise<unknown>): void {
    if (this.#tasks.signal.aborted) return;
    this.#tasks.run(async (signal) => {
      let isTold = false;
      while (!isTold && !signal.aborted) {
        try {
          await send();
          isTold = true;
        } catch (error) {
          if (!isCodedError(error)) throw error;
          isTold = error instanceof RemoteError;
          if (!isTold) await this.#components.clock.sleep(this.#options.reportRetryMs, signal);
        }
      }
      if (this.#untold.get(job)?.job.attempt === attempt) this.#untold.delete(job);
      await this.#components.receipts.end({ job, attempt });
      await this.#components.payee.closeJob(job, attempt, { forfeit: false });
    });
  }
}

/** Our codes of refusal are for the balancer's eyes; texts and causes are not. */
async function answerPublicly<T>(answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (error) {
    if (isCodedError(error)) throw new PublicError({ code: error.code }, { cause: error });
    throw error;
  }
}

/** Which part of the quote is not what this node promised, or undefined. */
function findTermsFault(terms: JobTerms, node: Address, payer: Address, domain: Domain): string | undefined {
  const { quote, assignment, prices, spec } = terms;
  if (quote.value.node !== node) return "node";
  if (quote.value.payer !== payer) return "payer";
  if (quote.value.pricesHash !== hashPrices(prices)) return "pricesHash";
  return findQuoteFault(assignment.value, quote.value, hashJobSpec(spec), domain);
}

function isNothing(served: ServedTotals | undefined): served is undefined {
  return served === undefined || (served.bytes === 0 && served.watchedMs === 0);
}

const minimum = (left: bigint, right: bigint) => (left < right ? left : right);
