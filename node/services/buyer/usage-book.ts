import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import { MeteringError } from "@leat/node/metering/errors.ts";
import { checkLeaves, countUnits } from "@leat/node/metering/usage.ts";
import type { UsageReport } from "@leat/node/wire/session/messages.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { hashStatement, StatementError } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPrices, type Prices, type PriceUnit, pixelUnits } from "@leat/sdk/protocol/job.ts";
import { assignmentStructure, quoteStructure, type Receipt, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";
import { costExact } from "@leat/sdk/protocol/units.ts";
import type { Evidence } from "../faults/evidence-service.ts";
import { BuyerError } from "./errors.ts";

export interface UsageBookComponents {
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  readonly chain: Pick<ChannelView, "maySign">;
  readonly evidence: Pick<Evidence, "keep">;
  /** Whose agent this is: the payer that a quote must name. */
  readonly buyer: Address;
  /** Most that is paid for a unit of a token; undefined where the buyer set none. */
  readonly ceilings: (token: Address) => Prices | undefined;
}

/** What a report is worth after all was checked. */
export interface CheckedUsage {
  readonly receiptHash: Hex;
  readonly exact: bigint;
}

/** Streams whose quotes are remembered; a quote of an older one is taken as new. */
const MAX_STREAMS = 10_000;
/** Receipts that a second one of the same work is compared with. */
const MAX_SEEN = 100_000;
/** Segments whose paid attempt is remembered: 1,000 jobs for an hour. */
const MAX_PAID = 1_000_000;

/** Checks what a cluster says was done: it could bill work that nobody did, twice, or dearer than it was agreed. */
export class UsageBook {
  readonly #components: UsageBookComponents;
  /** The first quote seen of each stream: the cluster is held to it from then on. */
  readonly #quotes = new Map<Hex, Hex>();
  readonly #receipts = new Map<Hex, { readonly key: string; readonly attempt: number }>();
  /** The first receipt seen of each job, segment and attempt. */
  readonly #seen = new Map<string, Signed<Receipt>>();
  /** The attempt that was paid for a job's segment. */
  readonly #paid = new Map<string, number>();

  constructor(components: UsageBookComponents) {
    this.#components = components;
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
    } catch (cause) {
      if (!(cause instanceof MeteringError)) throw cause;
      throw new BuyerError({ code: "USAGE_LEAVES_WRONG" }, { cause });
    }
    const unit = unitOf(report);
    const price = this.#checkPrice(report, unit);
    await this.#checkQuote(report, clusterAccount);
    const served = countUnits(unit, receipt.value, leaves);
    if (report.paidUnits > served) {
      throw new BuyerError({ code: "USAGE_UNITS_TOO_MANY", served, paid: report.paidUnits });
    }
    await this.#checkSigners(report, clusterAccount);
    const receiptHash = hashStatement(receiptStructure, this.#components.domain, receipt.value);
    const { seq } = receipt.value;
    await this.#compare(receipt, receiptHash);
    // Several edges may serve one segment under one job, each its own viewers; other work is done once.
    if (report.kind !== "delivery") this.#receipts.set(receiptHash, { key: `${job}/${seq}`, attempt });
    trim(this.#receipts, MAX_PAID);
    return { receiptHash, exact: costExact(price, report.paidUnits) };
  }

  /** Those of which no other attempt at the same segment was paid, or stands before them in the list. */
  selectUnpaid(receiptHashes: readonly Hex[]): Hex[] {
    const here = new Map<string, number>();
    return receiptHashes.filter((receiptHash) => {
      const known = this.#receipts.get(receiptHash);
      if (known === undefined) return true;
      const first = this.#paid.get(known.key) ?? here.get(known.key) ?? known.attempt;
      here.set(known.key, first);
      return first === known.attempt;
    });
  }

  /** A voucher covers them. */
  markPaid(receiptHashes: readonly Hex[]): void {
    for (const receiptHash of receiptHashes) {
      const known = this.#receipts.get(receiptHash);
      if (known === undefined) continue;
      this.#paid.set(known.key, known.attempt);
      this.#receipts.delete(receiptHash);
    }
    trim(this.#paid, MAX_PAID);
  }

  /** A node that signs two receipts of one work is told on; the second is never paid. */
  async #compare(receipt: Signed<Receipt>, receiptHash: Hex): Promise<void> {
    const { job, seq, attempt } = receipt.value;
    const key = `${job}/${attempt}/${seq}`;
    const first = this.#seen.get(key);
    if (first === undefined) {
      this.#seen.set(key, receipt);
      trim(this.#seen, MAX_SEEN);
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
  async #checkQuote({ quote, quoted, stream, token }: UsageReport, clusterAccount: Address): Promise<void> {
    const { statements, domain, chain, buyer } = this.#components;
    const { node, payer, token: quotedToken, pricesHash } = quote.value;
    if (node !== clusterAccount) throw wrongQuote("node");
    if (payer !== buyer) throw wrongQuote("payer");
    if (quotedToken !== token) throw wrongQuote("token");
    if (pricesHash !== hashPrices(quoted)) throw wrongQuote("pricesHash");
    const quoteHash = hashStatement(quoteStructure, domain, quote.value);
    const held = this.#quotes.get(stream);
    if (held === quoteHash) return;
    if (held !== undefined) throw new BuyerError({ code: "USAGE_QUOTE_CHANGED", stream });
    const signer = recover(() => statements.recoverSigner(quoteStructure, domain, quote.value, quote.signature));
    if (!(await chain.maySign(clusterAccount, signer))) throw wrongQuote("signature");
    this.#quotes.set(stream, quoteHash);
    trim(this.#quotes, MAX_STREAMS);
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

function wrongJob(field: "job" | "attempt" | "node" | "quoteHash"): BuyerError {
  return new BuyerError({ code: "USAGE_JOB_WRONG", field });
}

function trim(map: Map<unknown, unknown>, max: number): void {
  if (map.size <= max) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
