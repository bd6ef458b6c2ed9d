import { createHash } from "node:crypto";
import { createNodeKey, type NodeKey } from "../../node/kernel/keys.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import { type AssignedJob, JobDeskService, jobDeskOptions } from "../../node/services/jobs/job-desk.ts";
import { type OutboxItem, OutboxService, outboxOptions } from "../../node/services/jobs/outbox.ts";
import type { JobSession } from "../../node/services/jobs/ports.ts";
import { createReceiptBook, type ReceiptBook } from "../../node/services/jobs/receipt-book.ts";
import { LevelAttemptStore } from "../../node/store/attempts.ts";
import { LevelReceiptStore } from "../../node/store/receipts.ts";
import { WireError } from "../../node/wire/errors.ts";
import type { BalancerMethod, BalancerRequest, BalancerResponse } from "../../node/wire/session/messages.ts";
import { isCodedError } from "../../sdk/base/errors.ts";
import { silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";
import { createDomain, hashStatement } from "../../sdk/protocol/eip712.ts";
import { findEquivocation } from "../../sdk/protocol/faults.ts";
import { type Address, bytesToHex, type Hex } from "../../sdk/protocol/hex.ts";
import { hashJobSpec, type JobSpec, type JobTerms } from "../../sdk/protocol/job.ts";
import { assignmentStructure, quoteStructure, type Receipt } from "../../sdk/protocol/signed.ts";
import type { Signed } from "../../sdk/protocol/statements.ts";
import { defaultsOf } from "./defaults.ts";
import { ManualClock } from "./manual-clock.ts";
import { type Disk, VolatileStore } from "./volatile-disk.ts";

export const honestDomain = createDomain(31_337, `0x${"e5".repeat(20)}`);
const token: Address = `0x${"70".repeat(20)}`;
const hashOf = (text: string): Hex => bytesToHex(createHash("sha256").update(text).digest());
const keyOf = (text: string): NodeKey => createNodeKey(createHash("sha256").update(text).digest());

/** Two balancers of one cluster, either of which may lie. */
const balancers = [keyOf("balancer 0"), keyOf("balancer 1")] as const;
const clusterAccount: Address = `0x${"c1".repeat(20)}`;

/** One process of the node: what it holds in memory goes when it dies. */
interface Life {
  readonly store: VolatileStore;
  readonly desk: JobDeskService;
  readonly outbox: OutboxService;
  readonly receipts: ReceiptBook;
  readonly clock: ManualClock;
  readonly handlers: Map<string, (body: never) => Promise<unknown>>;
  readonly jobs: AssignedJob[];
}

/**
 * The receipt path of a real node (desk, receipt book, outbox, stores) between balancers that may do anything, a disk
 * that forgets what was not synced, and somebody who keeps every receipt that ever left it.
 */
export class HonestNode {
  /** Everything that anybody outside ever saw. */
  readonly seen: Signed<Receipt>[] = [];
  /** How often each refusal protected it. */
  readonly refusals = new Map<string, number>();
  /** What was no coded error: a bug. */
  readonly bugs: unknown[] = [];
  readonly #terms: { readonly balancer: number; readonly terms: JobTerms }[] = [];
  readonly #name: string;
  #keys = 0;
  #key: NodeKey;
  #disk: Disk = { entries: new Map(), witness: undefined };
  #backup: ReadonlyMap<string, string> | undefined;
  #life: Life | undefined;
  #balancer = 0;
  #away = false;

  constructor(name = "node") {
    this.#name = name;
    this.#key = keyOf(name);
  }

  get keys(): number {
    return this.#keys + 1;
  }

  get storedKeys(): string[] {
    return [...this.#disk.entries.keys()];
  }

  /** Starts what is on the disk; an operator whose node refuses its store makes another key and begins anew. */
  async start(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      if (!isCodedError(error) || error.code !== "STORE_NOT_OF_KEY") throw error;
      this.#count(error.code);
      this.#keys += 1;
      this.#key = keyOf(`${this.#name} ${this.#keys}`);
      this.#disk = { entries: new Map(), witness: undefined };
      await this.#begin();
    }
  }

  /** A balancer gives an attempt, with a quote that it asks for now. */
  async assign(job: number, attempt: number, balancer: number): Promise<void> {
    this.#balancer = balancer;
    const spec = specOf(job);
    const id = hashOf(`job ${job}`);
    const { primitive } = spec;
    const units = 1;
    await this.#ask("job.reserve", { job: id, attempt, primitive, units });
    const request = { job: id, primitive, specHash: hashJobSpec(spec), token, payer: clusterAccount, maxUnits: 9n };
    const answer = await this.#ask("quote.request", request);
    if (answer === undefined) return;
    const value = {
      job: id,
      attempt,
      node: this.#key.address,
      quoteHash: hashStatement(quoteStructure, honestDomain, answer.quote.value),
      firstFrame: 0n,
      validUntil: 2n ** 40n,
    };
    const signature = await balancers[balancer]!.signer.sign(assignmentStructure, honestDomain, value);
    const terms = { assignment: { value, signature }, ...answer, spec, selection: id };
    this.#terms.push({ balancer, terms });
    await this.#give(terms);
  }

  /** A balancer gives again what was given before, to whichever process runs now. */
  async replay(index: number): Promise<void> {
    const old = this.#terms[index % Math.max(1, this.#terms.length)];
    if (old === undefined) return;
    this.#balancer = old.balancer;
    const { job, attempt } = old.terms.assignment.value;
    const { primitive } = old.terms.spec;
    await this.#ask("job.reserve", { job, attempt, primitive, units: 1 });
    await this.#give(old.terms);
  }

  /** Some job that this process was ever given comes to the end of a segment; what it made differs by `variant`. */
  work(index: number, sequence: number, variant: number): void {
    const life = this.#life!;
    const job = life.jobs[index % Math.max(1, life.jobs.length)];
    if (job === undefined) return;
    const leaf = { rung: 1, part: 0, frames: 1, pixels: 1n, sizeBytes: 1n, sha256: hashOf(`variant ${variant}`) };
    const work = { sequence, inputHash: hashOf("input"), leaves: [leaf], firstFrame: 0, frames: 1, durationMs: 1 };
    this.#watch(life, life.receipts.issue(job, { ...work, units: 1n }), (receipt) => this.seen.push(receipt));
  }

  end(index: number): void {
    const life = this.#life!;
    const job = life.jobs[index % Math.max(1, life.jobs.length)];
    if (job === undefined) return;
    if (job.spec.primitive === "ingest") life.desk.finish(job);
    else void this.#ask("job.end", { job: job.job, attempt: job.attempt, code: "JOB_REPLACED" });
  }

  sync(): void {
    this.#life?.store.sync();
  }

  async tick(): Promise<void> {
    await this.#life?.clock.advance(1_000);
  }

  setAway(away: boolean): void {
    this.#away = away;
  }

  /** Between any two steps; what was not synced is gone. */
  async crash(): Promise<void> {
    this.#life?.store.die();
    this.#life = undefined;
    await this.start();
  }

  async restart(): Promise<void> {
    const life = this.#life!;
    await this.#syncUntil(Promise.all([life.desk.stop(), life.outbox.stop()]));
    await this.crash();
  }

  takeBackup(): void {
    this.#backup = new Map(this.#disk.entries);
  }

  /** The data folder as it was when the backup was taken; the key's own folder as it is. */
  async restoreBackup(): Promise<void> {
    if (this.#backup === undefined) return;
    this.#life?.store.die();
    this.#disk.entries = new Map(this.#backup);
    await this.crash();
  }

  async loseStore(): Promise<void> {
    this.#life?.store.die();
    this.#disk.entries = new Map();
    this.#backup = undefined;
    await this.crash();
  }

  /** All that waits gets through. */
  async drain(): Promise<void> {
    this.setAway(false);
    for (let round = 0; round < 6; round += 1) {
      this.sync();
      await this.tick();
    }
  }

  /** By the same function that a proof is checked with. */
  findSlashable() {
    return findEquivocation(nativeStatements, honestDomain, this.seen);
  }

  async #begin(): Promise<void> {
    const store = new VolatileStore(this.#disk);
    const clock = new ManualClock();
    const handlers: Life["handlers"] = new Map();
    const jobs: AssignedJob[] = [];
    const base = { clock, logger: silentLogger, metrics: silentMetrics };
    const isAlive = () => this.#life?.store === store;
    const session = {
      welcome: undefined,
      call: async (method: string, body: { receipt?: Signed<Receipt> }) => {
        // A process that died says nothing more.
        if (!isAlive()) return new Promise(() => {});
        if (method === "receipt.submit") this.seen.push(body.receipt!);
        if (this.#away) throw new WireError({ code: "WIRE_CONNECTION_LOST" });
        return { accepted: true };
      },
      handle: (method: string, handler: (body: never) => Promise<unknown>) => handlers.set(method, handler),
    };
    const welcome = () => ({ balancer: balancers[this.#balancer]!.address, clusterAccount });
    Object.defineProperty(session, "welcome", { get: welcome });
    const jobSession = session as unknown as JobSession;
    const receiptStore = new LevelReceiptStore<OutboxItem>(store);
    const outbox = new OutboxService({ ...base, store: receiptStore, session: jobSession }, defaultsOf(outboxOptions));
    const payee = {
      openJob: async () => {},
      closeJob: async () => {},
      mayWork: () => "ok" as const,
      earned: async () => true,
    };
    const { signer } = this.#key;
    const attempts = new LevelAttemptStore(store, store.witness);
    const parts = { signer, domain: honestDomain, outbox, payee, attempts, store: receiptStore };
    const receipts = createReceiptBook(parts);
    const desk = new JobDeskService(
      {
        ...base,
        session: jobSession,
        payee,
        receipts,
        statements: nativeStatements,
        signer,
        domain: honestDomain,
        prices: () => ({ ingestMs: 1n, deliveredByte: 1n }),
      },
      defaultsOf(jobDeskOptions),
    );
    const runner = {
      begin: (job: AssignedJob) => void jobs.push(job),
      change: () => {},
      end: async () => {},
      sequenceOf: () => null,
      positionOf: () => null,
    };
    desk.register({ ...runner, primitive: "delivery" });
    desk.register({ ...runner, primitive: "ingest" });
    this.#life = { store, desk, outbox, receipts, clock, handlers, jobs };
    await this.#syncUntil(Promise.all([outbox.start(), desk.start()]));
  }

  async #give(terms: JobTerms): Promise<void> {
    const life = this.#life!;
    // An ingest job comes as the answer to the node's own request.
    if (terms.spec.primitive === "ingest") this.#watch(life, life.desk.admit(terms), (job) => life.jobs.push(job));
    else void this.#ask("job.assign", terms);
    await settle();
  }

  #ask<M extends BalancerMethod>(method: M, body: BalancerRequest<M>): Promise<BalancerResponse<M> | undefined> {
    const life = this.#life!;
    const answer = life.handlers.get(method)!(body as never) as Promise<BalancerResponse<M>>;
    return new Promise((resolve) => {
      this.#watch(life, answer, resolve, () => resolve(undefined));
    });
  }

  #watch<T>(life: Life, work: Promise<T>, done: (value: T) => void, failed = () => {}): void {
    work.then(
      (value) => {
        if (this.#life === life) done(value);
      },
      (error: unknown) => {
        if (this.#life !== life) return;
        if (isCodedError(error)) this.#count(error.code);
        else this.bugs.push(error);
        failed();
      },
    );
  }

  #count(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  async #syncUntil(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const ended = work.finally(() => {
      isDone = true;
    });
    ended.catch(() => {});
    while (!isDone) {
      this.sync();
      await settle();
    }
    await ended;
  }
}

/** Even jobs are ingest, odd ones delivery. */
function specOf(job: number): JobSpec {
  const stream = hashOf(`stream ${job}`);
  const slug = `stream-${job}`;
  if (job % 2 === 0) return { stream, slug, primitive: "ingest" };
  const origin = { node: balancers[0].address, multiaddrs: [] };
  return { stream, slug, primitive: "delivery", origin, renditions: [], unsignedBudgetBytes: 10n ** 9n };
}

/** Lets every promise that is already resolved run its followers. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
