import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import { hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import {
  hashJobSpec,
  hashPrices,
  type JobSpec,
  type JobTerms,
  type Prices,
  priceUnitOf,
} from "@leat/sdk/protocol/job.ts";
import { MAX_CLOCK_ERROR_SECONDS } from "@leat/sdk/protocol/limits.ts";
import { type Assignment, assignmentStructure, type Quote, quoteStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { SelectionRequest } from "@leat/sdk/selection/candidate.ts";
import { retailPrices, wholesaleCeiling } from "../../market/pricing.ts";
import type { AttemptRow } from "../../store/sql/job-store.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { CreditTerms } from "../payment/index.ts";
import type { CandidateBook } from "./candidates.ts";
import type { DeliveryBudget } from "./delivery-budget.ts";
import type { EdgeTree } from "./edge-tree.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook, type LiveJob, type RunningLive } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import type { BalancerComponents } from "./ports.ts";
import type { SelectionLog } from "./selection-log.ts";

export interface PlaceInput {
  readonly stream: StreamRow;
  readonly live: LiveJob;
  /** What is asked, as it stands in the job. */
  readonly spec: JobSpec;
  /** Capacity to reserve, in the primitive's unit of flow. */
  readonly units: number;
  readonly codecs: readonly VideoCodec[];
  readonly startSequence: number;
  readonly firstFrame: bigint;
  /** Nodes that must not take it, beside those that the job excludes for good. */
  readonly excluded: readonly { readonly node: Address; readonly reason: string }[];
  readonly holders: readonly Address[];
}

/** What is asked is another thing since it was asked. */
const ORIGIN_CHANGED = "JOB_ORIGIN_CHANGED";
/** Decisions in a row that may come to nothing before the caller has to wait. */
const MAX_ROUNDS = 4;
/** A week: longer than the longest stream. */
const ASSIGNMENT_SECONDS = 604_800n;

/** A node said no, or said something that does not fit; the code tells which. */
class Refused extends CodedError<{ code: string }> {}

type Flow = Pick<PlaceInput, "live" | "units">;
type BegunAttempt = Omit<AttemptRow, "grantedBytes">;
type Offered = { readonly quote: Signed<Quote>; readonly prices: Prices };

/** Brings a job to a node: select, reserve, quote, assign. Everything is on disk before a node is told. */
export class Placement {
  readonly #components: BalancerComponents;
  readonly #options: BalancerOptions;
  readonly #candidates: CandidateBook;
  readonly #log: SelectionLog;
  readonly #jobs: JobBook;
  readonly #tree: Pick<EdgeTree, "place">;
  readonly #budget: Pick<DeliveryBudget, "open">;
  /** What the filters said of a job when nobody passed: while they say the same, it is not decided again. */
  readonly #inVain = new WeakMap<LiveJob, string>();

  constructor(
    components: BalancerComponents,
    options: BalancerOptions,
    parts: {
      readonly candidates: CandidateBook;
      readonly log: SelectionLog;
      readonly jobs: JobBook;
      readonly tree: Pick<EdgeTree, "place">;
      readonly budget: Pick<DeliveryBudget, "open">;
    },
  ) {
    this.#components = components;
    this.#options = options;
    this.#candidates = parts.candidates;
    this.#log = parts.log;
    this.#jobs = parts.jobs;
    this.#tree = parts.tree;
    this.#budget = parts.budget;
  }

  /** Who would do it, best first; leaves a receipt. */
  async rank(input: PlaceInput, excluded = input.excluded): Promise<{ id: Hex; nodes: Address[] }> {
    const { stream, live } = input;
    const decision = await this.#log.decide({
      stream: stream.id,
      job: live.row.id,
      attempt: live.row.attempt + 1,
      buyerNonce: stream.nonce,
      request: this.#requestOf(input, excluded),
    });
    return { id: decision.id, nodes: decision.selection.ranked.map(({ node }) => node) };
  }

  /** Who passes the rule's hard filters now. Leaves nothing. */
  listFitting(input: PlaceInput): readonly Address[] {
    return this.#log.preview(this.#requestOf(input, input.excluded)).fitting;
  }

  #requestOf({ stream, live, units, codecs, holders }: PlaceInput, excluded: PlaceInput["excluded"]): SelectionRequest {
    const { primitive, spec } = live.row;
    // The buyer was promised these prices: a node that asks for more is of no use to the stream.
    const ceiling = stream.retail[priceUnitOf(spec)];
    const region = stream.region ?? undefined;
    return {
      primitive,
      codecs,
      token: stream.token,
      units,
      ...(region === undefined ? {} : { nearRegion: region }),
      ...(ceiling === undefined ? {} : { priceCeiling: wholesaleCeiling(ceiling, stream.marginBps) }),
      excluded: [...live.row.excluded, ...excluded],
      reserved: this.#candidates.reserved(primitive),
      holders,
    };
  }

  /**
   * Throws PLACEMENT_NOBODY when no node can or wants to, BUYER_UNFUNDED when the buyer cannot pay, JOB_ORIGIN_CHANGED
   * when the job is another one by now.
   */
  async place(input: PlaceInput): Promise<JobTerms> {
    const refused: { node: Address; reason: string }[] = [...input.excluded];
    const nobody = new BalancerError({ code: "PLACEMENT_NOBODY", primitive: input.live.row.primitive });
    const reasons = this.#findReasons(input);
    if (reasons !== undefined && this.#inVain.get(input.live) === reasons) throw nobody;
    this.#inVain.delete(input.live);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const { id, nodes } = await this.rank(input, refused);
      if (round === 0 && nodes.length === 0 && reasons !== undefined) this.#inVain.set(input.live, reasons);
      if (nodes.length === 0) break;
      for (const node of nodes) {
        const terms = await this.#tryNode(input, node, id, refused);
        if (terms !== undefined) return terms;
      }
    }
    throw nobody;
  }

  /** Where nobody passes: how many stop at which filter. */
  #findReasons(input: PlaceInput): string | undefined {
    const { fitting, counts } = this.#log.preview(this.#requestOf(input, input.excluded));
    return fitting.length > 0 ? undefined : JSON.stringify(counts);
  }

  /** Gives the job to one node that a decision named: terms to hand over with the answer to its own call. */
  async grant(input: PlaceInput, node: Address, selection: Hex): Promise<JobTerms> {
    await this.#reserve(input, node);
    const offered = await this.#askQuote(input, node);
    return this.#assign(input, node, selection, offered);
  }

  /** After a restart: a job that runs goes on in both books at the terms that it began with. */
  async resume(stream: StreamRow, live: RunningLive): Promise<void> {
    const { payer, payee, jobStore, clusterAccount } = this.#components;
    const { job, attempt, node, prices, units, startSequence, assignment } = live.attempt;
    const input = { stream, live, units: Number(units) };
    const { validUntil } = assignment.value;
    const newest = await jobStore.newestReceipt(job, attempt);
    const booked = newest === undefined ? startSequence : newest + 1;
    await payee.resumeJob(this.#retailTerms(input, attempt, prices, validUntil), BigInt(booked));
    const channel = hubChannel(clusterAccount, node, stream.token);
    await payer.openJob({ ...this.#terms(input, attempt, prices, validUntil), channel });
  }

  async #tryNode(
    input: PlaceInput,
    node: Address,
    selection: Hex,
    refused: { node: Address; reason: string }[],
    isSecond = false,
  ): Promise<JobTerms | undefined> {
    const { hub, logger } = this.#components;
    const { live } = input;
    try {
      const terms = await this.grant(input, node, selection);
      await hub.call(node, "job.assign", terms);
      return terms;
    } catch (error) {
      if (!isCodedError(error) || isOfNoNode(error.code)) throw error;
      logger.info("Place job elsewhere", { jobId: live.row.id, node, code: error.code });
      // What took us longer than a reservation stands is no refusal of the node's.
      const isLate = error.code === "JOB_RESERVATION_MISSING" && !isSecond;
      if (!isLate) refused.push({ node, reason: error.code });
      if (isRunning(live) && live.attempt.node === node) {
        const { payer, payee, clock } = this.#components;
        const { job, attempt } = live.attempt;
        const end = {
          state: "failed",
          endSequence: input.startSequence,
          endCode: error.code,
          grantedBytes: 0n,
        } as const;
        await this.#jobs.endAttempt(live, live.attempt, { ...end, endedAtMs: clock.nowMs() });
        await payer.release(job, attempt);
        await payee.closeJob(job, attempt, { forfeit: false });
      }
      return isLate ? this.#tryNode(input, node, selection, refused, true) : undefined;
    }
  }

  async #reserve({ live, units, codecs }: PlaceInput, node: Address): Promise<void> {
    const { id: job, attempt, primitive } = live.row;
    const answer = await this.#components.hub.call(node, "job.reserve", {
      job,
      attempt: attempt + 1,
      primitive,
      ...(codecs[0] === undefined ? {} : { codec: codecs[0] }),
      units,
    });
    if (!answer.granted) throw new Refused({ code: answer.code });
    this.#candidates.reserve(node, job, primitive, units, codecs[0]);
  }

  /** The node's price, checked against everything that the balancer asked for. */
  async #askQuote({ stream, live, units, codecs }: PlaceInput, node: Address): Promise<Offered> {
    const { hub, statements, domain, clusterAccount, clock } = this.#components;
    const { id: job, primitive, spec } = live.row;
    const specHash = hashJobSpec(spec);
    const { quote, prices } = await hub.call(node, "quote.request", {
      job,
      primitive,
      ...(codecs[0] === undefined ? {} : { codec: codecs[0] }),
      specHash,
      token: stream.token,
      payer: clusterAccount,
      maxUnits: BigInt(flowPerSecond(live, units)) * ASSIGNMENT_SECONDS,
    });
    const { value } = quote;
    const isAsAsked =
      value.node === node &&
      value.payer === clusterAccount &&
      value.token === stream.token &&
      value.specHash === specHash &&
      value.pricesHash === hashPrices(prices) &&
      // By the node's clock: where it is over by that one too, the node itself refuses the assignment.
      (Number(value.validUntil) + MAX_CLOCK_ERROR_SECONDS) * 1_000 > clock.nowMs();
    const price = prices[priceUnitOf(spec)];
    if (!isAsAsked || price === undefined) throw new Refused({ code: "QUOTE_WRONG" });
    const ceiling = stream.retail[priceUnitOf(spec)];
    if (ceiling !== undefined && price > wholesaleCeiling(ceiling, stream.marginBps)) {
      throw new Refused({ code: "PRICE_ABOVE_CEILING" });
    }
    statements.verifySigned(quoteStructure, domain, quote, node);
    return { quote, prices };
  }

  async #assign(input: PlaceInput, node: Address, selection: Hex, { quote, prices }: Offered): Promise<JobTerms> {
    const { payer, payee, signer, domain, clock, clusterAccount } = this.#components;
    const { stream, live, units, startSequence, firstFrame } = input;
    const { id: job } = live.row;
    const placed = this.#tree.place(live, node);
    const attempt = live.row.attempt + 1;
    const nowMs = clock.nowMs();
    const validUntil = BigInt(Math.floor(nowMs / 1_000)) + ASSIGNMENT_SECONDS;
    const value: Assignment = {
      job,
      attempt,
      node,
      quoteHash: hashStatement(quoteStructure, domain, quote.value),
      firstFrame,
      validUntil,
    };
    const assignment = { value, signature: await signer.sign(assignmentStructure, domain, value) };
    await this.#openBuyer(stream, this.#retailTerms(input, attempt, prices, validUntil));
    const channel = hubChannel(clusterAccount, node, stream.token);
    const terms = this.#terms(input, attempt, prices, validUntil);
    try {
      await payer.openJob({ ...terms, channel });
      const prepay = await payer.prepay(channel, terms.exactPerSecond);
      const begun: BegunAttempt = {
        job,
        attempt,
        node,
        state: "running",
        assignment,
        quote,
        prices,
        selection,
        units: BigInt(units),
        startSequence,
        endSequence: null,
        startedAtMs: nowMs,
        endedAtMs: null,
        endCode: null,
      };
      const spec = await this.#begin(input, begun, placed);
      return { assignment, quote, prices, spec, selection, ...(prepay === undefined ? {} : { prepay }) };
    } catch (error) {
      // A job that did not come about must not stay open in the books: what it kept from settling would wait for ever.
      await payer.release(job, attempt);
      await payee.closeJob(job, attempt, { forfeit: false });
      throw error;
    }
  }

  /** What the node is told to do: an edge also, what it is granted of the budget. */
  async #begin({ stream, live, spec: asked }: PlaceInput, begun: BegunAttempt, placed: JobSpec): Promise<JobSpec> {
    let spec = placed;
    const begin = (grantedBytes: bigint) =>
      this.#jobs.begin(live, { ...begun, grantedBytes }, (now) => {
        // The stream may come in at another node since this one was asked: an edge follows, a transcoder begins anew.
        if (placed.primitive === "delivery" && now.primitive === "delivery") {
          spec = { ...placed, origin: now.origin, unsignedBudgetBytes: grantedBytes };
        } else if (now !== asked) throw new Refused({ code: ORIGIN_CHANGED });
        return spec;
      });
    await (placed.primitive === "delivery" ? this.#budget.open(stream, begin) : begin(0n));
    return spec;
  }

  /** The buyer's side of the same job: a new buyer pays ahead, and a reserve that is too small stops it here. */
  async #openBuyer(stream: StreamRow, terms: CreditTerms): Promise<void> {
    const { payee } = this.#components;
    const { channel, exactPerSecond } = terms;
    try {
      await payee.openJob(terms);
    } catch (error) {
      if (!isCodedError(error) || error.code !== "CREDIT_PREPAY_REQUIRED") throw this.#unfunded(error, stream);
      try {
        await payee.requestPrepay(channel, exactPerSecond);
        await payee.openJob(terms);
      } catch (second) {
        throw this.#unfunded(second, stream);
      }
    }
  }

  #unfunded(error: unknown, stream: StreamRow): unknown {
    if (!isCodedError(error)) return error;
    const cause = { cause: error };
    if (error.code === "CREDIT_RESERVE_SHORT") {
      const { wantedExact, freeExact } = error.detail as unknown as { wantedExact: bigint; freeExact: bigint };
      const amounts = { neededExact: wantedExact, reserveExact: freeExact };
      return new BalancerError(
        { code: "BUYER_UNFUNDED", token: this.#components.tokenNames.get(stream.token) ?? stream.token, ...amounts },
        cause,
      );
    }
    if (error.code === "PAYER_REPUTATION_LOW") {
      return new BalancerError({ code: "BUYER_REPUTATION_LOW", buyer: stream.buyer }, cause);
    }
    return new BalancerError({ code: "BUYER_AGENT_ABSENT", buyer: stream.buyer }, cause);
  }

  #retailTerms(input: Flow & { stream: StreamRow }, attempt: number, prices: Prices, validUntil: bigint): CreditTerms {
    const channel = hubChannel(input.stream.buyer, this.#components.clusterAccount, input.stream.token);
    const retail = retailPrices(prices, input.stream.marginBps);
    return { ...this.#terms(input, attempt, retail, validUntil), channel };
  }

  #terms({ live, units }: Flow, attempt: number, prices: Prices, validUntil: bigint): Omit<CreditTerms, "channel"> {
    const { segmentMs, samplingRate } = this.#options;
    const { id: job, spec } = live.row;
    const exactPerSecond = (prices[priceUnitOf(spec)] ?? 0n) * BigInt(flowPerSecond(live, units));
    return { job, attempt, exactPerSecond, segmentMs, samplingRate, validUntil };
  }
}

/** Units of work in one second of a job that holds `units` of capacity. */
export function flowPerSecond({ row }: LiveJob, units: number): number {
  return row.primitive === "ingest" ? 1_000 : units;
}

/** Another node would not change it. */
function isOfNoNode(code: string): boolean {
  return ["BUYER_UNFUNDED", "BUYER_AGENT_ABSENT", "BUYER_REPUTATION_LOW", ORIGIN_CHANGED].includes(code);
}
