import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { MeteringError } from "@leat/node/metering/errors.ts";
import { addPaid, paidAttempt } from "@leat/node/metering/paid-runs.ts";
import { checkClaimedPixels, checkLeaves, countUnits } from "@leat/node/metering/usage.ts";
import { entryName, type LedgerEntry, type VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { LevelUsageStore, UsageJob } from "@leat/node/store/usage.ts";
import type { UsageReport } from "@leat/node/wire/session/messages.ts";
import { channelId, hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { hashStatement, StatementError } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPrices, type Prices, type PriceUnit, pixelUnits } from "@leat/sdk/protocol/job.ts";
import { assignmentStructure, quoteStructure, type Receipt, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";
import { costExact } from "@leat/sdk/protocol/units.ts";
import type { Evidence } from "../faults/evidence-service.ts";
import { BuyerError } from "./errors.ts";
import { NewestOfAttempts } from "./newest-of-attempts.ts";
import type { OpenAttempt } from "./open-attempts.ts";

export interface UsageBookComponents {
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  readonly chain: Pick<ChannelView, "maySign">;
  readonly evidence: Pick<Evidence, "keep">;
  /** What must outlive this process: without it all would be paid again. */
  readonly usage: Pick<LevelUsageStore, "quoteOf" | "job" | "begin" | "changeJobs" | "spend">;
  readonly vouchers: Pick<VoucherStore, "openEntries" | "countOpen" | "hasEntry">;
  readonly clock: Pick<Clock, "nowMs">;
  /** Whose agent this is: the payer that a quote must name. */
  readonly buyer: Address;
  /** Most that is paid for a unit of a token; undefined where the buyer set none. */
  readonly ceilings: (token: Address) => Prices | undefined;
}

/** What a report is worth after all was checked. */
export interface CheckedUsage {
  readonly receiptHash: Hex;
  /** To be booked; 0 where nothing is, or it is paid already. */
  readonly owedExact: bigint;
}

/** What of a request may be signed for. */
export interface UnpaidWork {
  readonly receiptHashes: readonly Hex[];
  /** Booked work that can never be paid any more: another attempt is paid for its segment. */
  readonly superseded: readonly LedgerEntry[];
}

export interface UsageLimits {
  /** Jobs whose paid segments are remembered. */
  readonly mostJobs: number;
  /** Segments of a channel that are booked and not paid. */
  readonly mostUnpaid: number;
}

/** Runs of one job: so many times it went on with another attempt, or left a gap that nobody filled. */
const MAX_RUNS = 1_000;

/** Attempts of one job that were found lying. */
const MAX_REFUSED = 1_000;

/** Checks what a cluster says was done: it could bill work that nobody did, twice, or dearer than it was agreed. */
export class UsageBook {
  readonly #components: UsageBookComponents;
  readonly #limits: UsageLimits;
  /** The first receipts of attempts' newest segments: evidence, not what keeps a second one from being paid. */
  readonly #seen = new NewestOfAttempts<Signed<Receipt>>();

  constructor(components: UsageBookComponents, limits: UsageLimits) {
    this.#components = components;
    this.#limits = limits;
  }

  /** @throws a BuyerError that says what is wrong with the report. */
  async check(report: UsageReport, clusterAccount: Address): Promise<CheckedUsage> {
    const { receipt, assignment, leaves, node, job, attempt } = report;
    if (receipt.value.job !== job || assignment.value.job !== job) throw wrongJob("job");
    if (receipt.value.attempt !== attempt || assignment.value.attempt !== attempt) throw wrongJob("attempt");
    if (assignment.value.node !== node) throw wrongJob("node");
    if (assignment.value.quoteHash !== receipt.value.quoteHash) throw wrongJob("quoteHash");
    try {
      checkLeaves(receipt.value, leaves);
      if (report.kind === "transcode") checkClaimedPixels(receipt.value, leaves);
    } catch (cause) {
      if (!(cause instanceof MeteringError)) throw cause;
      throw new BuyerError({ code: "USAGE_LEAVES_WRONG" }, { cause });
    }
    const unit = unitOf(report);
    const price = this.#checkPrice(report, unit);
    const quoteHash = await this.#checkQuote(report, clusterAccount);
    const served = countUnits(unit, receipt.value, leaves);
    if (report.paidUnits > served) {
      throw new BuyerError({ code: "USAGE_UNITS_TOO_MANY", served, paid: report.paidUnits });
    }
    await this.#checkSigners(report, clusterAccount);
    const receiptHash = hashStatement(receiptStructure, this.#components.domain, receipt.value);
    await this.#compare(receipt, receiptHash);
    const exact = costExact(price, report.paidUnits);
    // Nothing is kept of it either: a cluster could send any number of such reports, and they would cost it nothing.
    if (exact === 0n) return { receiptHash, owedExact: 0n };
    await this.#checkUnpaid(report, clusterAccount);
    const stands = await this.#begin(report, quoteHash);
    if (stands.refused.includes(attempt)) return { receiptHash, owedExact: 0n };
    const paid = stands.isShared ? undefined : paidAttempt(stands.paid, receipt.value.seq);
    if (paid !== undefined && paid !== attempt) throw new BuyerError({ code: "USAGE_PAID_TWICE", receiptHash });
    if (paid !== undefined) return { receiptHash, owedExact: 0n };
    return { receiptHash, owedExact: (await this.#spend(report, clusterAccount)) ? exact : 0n };
  }

  /** The attempt is over: a second receipt of its work would be long overdue. */
  forget(attempt: OpenAttempt): void {
    this.#seen.forget(attempt);
  }

  /** The work of a report that was checked was not booked after all. */
  async giveBack({ kind, stream, paidUnits, quote }: UsageReport): Promise<void> {
    if (kind === "delivery") await this.#components.usage.spend(stream, -paidUnits, quote.value.maxUnits);
  }

  /**
   * What is delivered without a viewer's signature is paid up to the budget of the stream's quote. It goes down first: a
   * crash before the work is booked pays too little, never too much. False where the work is booked already.
   */
  async #spend({ kind, stream, token, receipt, paidUnits, quote }: UsageReport, clusterAccount: Address) {
    if (kind !== "delivery") return true;
    const { usage, vouchers, buyer } = this.#components;
    const channel = channelId(hubChannel(buyer, clusterAccount, token));
    if (await vouchers.hasEntry("issued", channel, receipt.value)) return false;
    const most = quote.value.maxUnits;
    if (!(await usage.spend(stream, paidUnits, most)))
      throw new BuyerError({ code: "USAGE_BUDGET_SPENT", stream, most });
    return true;
  }

  /**
   * Of several attempts at a segment the one that is paid already, or stands first in the list. It is on disk before
   * anything is signed: whatever happens then, no other one is ever paid.
   */
  async selectUnpaid(channel: Hex, receiptHashes: readonly Hex[]): Promise<UnpaidWork> {
    const { vouchers } = this.#components;
    const open = await vouchers.openEntries("issued", channel);
    const named = new Map(open.map((entry) => [entry.receiptHash, entry]));
    const asked = receiptHashes.map((hash) => named.get(hash)).filter((entry) => entry !== undefined);
    if (asked.length === 0) return { receiptHashes, superseded: [] };
    const claimed = await this.#claim(asked);
    const paid = new Map(claimed.map(({ job, seq, attempt }) => [`${job}/${seq}`, attempt]));
    const won = new Set(claimed.map(entryName));
    const isUnpaid = (entry: LedgerEntry | undefined) => entry === undefined || won.has(entryName(entry));
    const others = open.filter((entry) => {
      const winner = paid.get(`${entry.job}/${entry.seq}`);
      return entry.state === "waiting" && winner !== undefined && winner !== entry.attempt;
    });
    const shared = await this.#sharedJobs(others);
    return {
      receiptHashes: receiptHashes.filter((hash) => isUnpaid(named.get(hash))),
      superseded: others.filter(({ job }) => !shared.has(job)),
    };
  }

  /** Of an edge that was found lying: what it reports from now on is worth nothing, whichever process hears of it. */
  async refuse(stream: Hex, job: Hex, attempt: number): Promise<void> {
    const { usage, clock } = this.#components;
    const quoteHash = await usage.quoteOf(stream);
    // Without one nothing of the stream was ever reported that is worth anything.
    if (quoteHash === undefined) return;
    const begun = { job, stream, kind: "delivery", isShared: true, quoteHash };
    await usage.begin({ ...begun, nowMs: clock.nowMs(), mostJobs: this.#limits.mostJobs });
    await usage.changeJobs([job], (_, known) =>
      known.refused.includes(attempt)
        ? known
        : { ...known, refused: [...known.refused, attempt].slice(-MAX_REFUSED), usedAtMs: clock.nowMs() },
    );
  }

  /** Fixes for good that these are paid. Answers those that may be: of a segment whose other attempt is paid, none. */
  async #claim(asked: readonly LedgerEntry[]): Promise<LedgerEntry[]> {
    const { usage, clock } = this.#components;
    const claimed: LedgerEntry[] = [];
    const ofJob = Map.groupBy(asked, ({ job }) => job);
    await usage.changeJobs(ofJob.keys(), (job, known) => {
      let { paid } = known;
      for (const entry of ofJob.get(job)!) {
        const first = known.isShared ? entry.attempt : (paidAttempt(paid, entry.seq) ?? entry.attempt);
        if (first !== entry.attempt) continue;
        claimed.push(entry);
        if (!known.isShared) paid = addPaid(paid, entry.seq, entry.attempt, MAX_RUNS);
      }
      return { ...known, paid, usedAtMs: clock.nowMs() };
    });
    return claimed;
  }

  /** What is never asked for stays unpaid for long: a cluster must not fill the disk with it. */
  async #checkUnpaid({ token }: UsageReport, clusterAccount: Address): Promise<void> {
    const { buyer, vouchers } = this.#components;
    const { mostUnpaid } = this.#limits;
    const channel = channelId(hubChannel(buyer, clusterAccount, token));
    if ((await vouchers.countOpen("issued", channel)) < mostUnpaid) return;
    throw new BuyerError({ code: "USAGE_UNPAID_TOO_MANY", most: mostUnpaid });
  }

  async #sharedJobs(entries: readonly LedgerEntry[]): Promise<Set<Hex>> {
    const shared = new Set<Hex>();
    for (const job of new Set(entries.map((entry) => entry.job))) {
      if ((await this.#components.usage.job(job))?.isShared !== false) shared.add(job);
    }
    return shared;
  }

  /** What is known of the job. Its stream and kind, and the stream's quote, stand from now on. */
  async #begin({ job, stream, kind }: UsageReport, quoteHash: Hex): Promise<UsageJob> {
    const { usage, clock } = this.#components;
    const { mostJobs } = this.#limits;
    const known = await usage.job(job);
    const begin = async () => {
      // Several edges may serve one segment under one job, each its own viewers; other work is done once.
      const begun = { job, stream, kind, isShared: kind === "delivery", quoteHash };
      const stands = await usage.begin({ ...begun, nowMs: clock.nowMs(), mostJobs });
      if (stands === undefined) throw new BuyerError({ code: "USAGE_JOBS_TOO_MANY", most: mostJobs });
      if (stands.quoteHash !== quoteHash) throw new BuyerError({ code: "USAGE_QUOTE_CHANGED", stream });
      return stands.job;
    };
    const stands = known ?? (await begin());
    if (stands.stream !== stream) throw wrongJob("stream");
    if (stands.kind !== kind) throw wrongJob("kind");
    return stands;
  }

  /** A node that signs two receipts of one work is told on; the second is never paid. */
  async #compare(receipt: Signed<Receipt>, receiptHash: Hex): Promise<void> {
    const { job, seq, attempt } = receipt.value;
    const first = this.#seen.get({ job, attempt }, seq);
    if (first === undefined) {
      this.#seen.set({ job, attempt }, seq, receipt);
      return;
    }
    if (hashStatement(receiptStructure, this.#components.domain, first.value) === receiptHash) return;
    await this.#components.evidence.keep({ first, second: receipt });
    throw new BuyerError({ code: "USAGE_RECEIPT_CONFLICT", job, seq });
  }

  #checkPrice(report: UsageReport, unit: PriceUnit): bigint {
    const price = report.prices[unit];
    if (price === undefined) throw new BuyerError({ code: "USAGE_UNIT_UNKNOWN", kind: report.kind });
    const ceiling = this.#components.ceilings(report.token)?.[unit];
    if (ceiling !== undefined && price > ceiling) {
      throw new BuyerError({ code: "USAGE_PRICE_ABOVE_CEILING", unit, price, ceiling });
    }
    const quoted = report.quoted[unit];
    if (quoted === undefined || price > quoted) {
      throw new BuyerError({ code: "USAGE_PRICE_ABOVE_QUOTE", unit, price, quoted });
    }
    return price;
  }

  /** Nodes differ in price, so what a unit costs may differ from job to job: never beyond what was promised. */
  async #checkQuote({ quote, quoted, stream, token }: UsageReport, clusterAccount: Address): Promise<Hex> {
    const { statements, domain, chain, buyer, usage } = this.#components;
    const { node, payer, token: quotedToken, pricesHash } = quote.value;
    if (node !== clusterAccount) throw wrongQuote("node");
    if (payer !== buyer) throw wrongQuote("payer");
    if (quotedToken !== token) throw wrongQuote("token");
    if (pricesHash !== hashPrices(quoted)) throw wrongQuote("pricesHash");
    const quoteHash = hashStatement(quoteStructure, domain, quote.value);
    const held = await usage.quoteOf(stream);
    if (held === quoteHash) return quoteHash;
    if (held !== undefined) throw new BuyerError({ code: "USAGE_QUOTE_CHANGED", stream });
    const signer = recover(() => statements.recoverSigner(quoteStructure, domain, quote.value, quote.signature));
    if (!(await chain.maySign(clusterAccount, signer))) throw wrongQuote("signature");
    return quoteHash;
  }

  async #checkSigners(report: UsageReport, clusterAccount: Address): Promise<void> {
    const { statements, domain, chain } = this.#components;
    const { receipt, assignment, node } = report;
    const worker = recover(() => statements.recoverSigner(receiptStructure, domain, receipt.value, receipt.signature));
    const balancer = recover(() =>
      statements.recoverSigner(assignmentStructure, domain, assignment.value, assignment.signature),
    );
    if (worker !== node) throw new BuyerError({ code: "USAGE_RECEIPT_SIGNER_WRONG", wanted: node });
    if (!(await chain.maySign(clusterAccount, balancer))) {
      throw new BuyerError({ code: "USAGE_ASSIGNMENT_SIGNER_WRONG", signer: balancer });
    }
  }
}

/** A transcode job is of one codec: the only pixel price that its report names. */
function unitOf({ kind, prices }: UsageReport): PriceUnit {
  if (kind === "ingest") return "ingestMs";
  if (kind === "delivery") return "deliveredByte";
  const named = Object.values(pixelUnits).filter((unit) => prices[unit] !== undefined);
  if (named.length !== 1) throw new BuyerError({ code: "USAGE_UNIT_UNKNOWN", kind });
  return named[0]!;
}

function wrongQuote(field: "node" | "payer" | "token" | "pricesHash" | "signature"): BuyerError {
  return new BuyerError({ code: "USAGE_QUOTE_WRONG", field });
}

function recover(signer: () => Address): Address {
  try {
    return signer();
  } catch (cause) {
    if (!(cause instanceof StatementError)) throw cause;
    throw new BuyerError({ code: "USAGE_SIGNATURE_INVALID" }, { cause });
  }
}

function wrongJob(field: "job" | "attempt" | "node" | "quoteHash" | "stream" | "kind"): BuyerError {
  return new BuyerError({ code: "USAGE_JOB_WRONG", field });
}
