import { createDomain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import { type Address, type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import { hashPrices, type JobTerms, type Prices, type RunningJob } from "@leat/sdk/protocol/job.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import {
  checkResultStructure,
  type Quote,
  quoteStructure,
  type Receipt,
  receiptStructure,
} from "@leat/sdk/protocol/signed.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import { RemoteError } from "../../node/wire/errors.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  NodeRequest,
} from "../../node/wire/session/messages.ts";
import type { Hello } from "../../node/wire/session/presence.ts";
import { usdc } from "./candidates.ts";

export const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
export const clusterAccount: Address = `0x${"c1".repeat(20)}`;
const prices: Prices = {
  ingestMs: 10n ** 22n,
  pixelH264: 2n * 10n ** 18n,
  pixelVp9: 4n * 10n ** 18n,
  deliveredByte: 5n * 10n ** 18n,
};

/** A node that grants, quotes and takes jobs as a real one does, and remembers what it was told. */
export class FakeNode {
  readonly signer;
  readonly calls: { method: string; body: unknown }[] = [];
  readonly jobs = new Map<Hex, JobTerms>();
  /** What it tells of viewers, by job: in heartbeats, and of what they got when the job ends. */
  readonly audiences = new Map<Hex, Pick<RunningJob, "viewers" | "served">>();
  /** Answers a call with this code instead. */
  refusals = new Map<string, string>();
  position: number | null = null;
  /** What it measured to the balancer; undefined before that. */
  rttMs: number | undefined;
  /** Results of checks that it has not delivered. */
  checksWaiting = 0;
  /** Until when its offer and its quotes stand, seconds since 1970 by its own clock. */
  offerUntil = 10n ** 12n;
  quoteUntil = 10n ** 12n;

  whipUrl: string;
  readonly number: number;
  readonly roles: Hello["roles"];

  constructor(number: number, roles: Hello["roles"]) {
    this.number = number;
    this.whipUrl = `http://127.0.0.1:${9000 + number}/whip`;
    this.roles = roles;
    this.signer = nativeStatements.createSigner(new Uint8Array(32).fill(number));
  }

  get address(): Address {
    return this.signer.address;
  }

  told(method: string): unknown[] {
    return this.calls.filter((call) => call.method === method).map((call) => call.body);
  }

  hello(jobs: readonly RunningJob[] = this.running()): Hello {
    const isBuyer = this.roles.includes("buyer");
    const base = `http://127.0.0.1:${9000 + this.number}`;
    return {
      version: 1,
      node: this.address,
      roles: this.roles,
      multiaddrs: [`/ip4/127.0.0.1/tcp/${9000 + this.number}`],
      httpUrl: base,
      rtmpUrl: `rtmp://127.0.0.1:${9000 + this.number}/live`,
      ...(this.roles.includes("ingest") ? { whipUrl: this.whipUrl, pushUrl: `${base}/live` } : {}),
      srtUrl: `srt://127.0.0.1:${9000 + this.number}`,
      srtSecret: `0x${`${this.number}`.padStart(64, "0")}`,
      ...(this.roles.includes("ingest") ? { pulls: ["http", "https"] } : {}),
      region: "local",
      ...(isBuyer
        ? {}
        : {
            offer: {
              node: this.address,
              body: {
                cluster: 1n,
                region: "local",
                primitives: this.roles.map((role) => ({
                  primitive: role as "ingest",
                  capacity: role === "ingest" ? 10 : 1_000_000_000,
                })),
                codecs: [
                  { codec: "h264" as const, pixelsPerSecond: 1_000_000_000 },
                  { codec: "vp9" as const, pixelsPerSecond: 1_000_000_000 },
                ],
                prices: [{ token: usdc, prices }],
                multiaddrs: [],
                sequence: 1n,
                validUntil: this.offerUntil,
              },
              signature: `0x${"00".repeat(65)}` as Hex,
            },
          }),
      jobs,
    };
  }

  running(): RunningJob[] {
    return [...this.jobs.values()].map(({ assignment, spec }) => ({
      job: assignment.value.job,
      attempt: assignment.value.attempt,
      primitive: spec.primitive,
      stream: spec.stream,
      sequence: null,
      ...this.audiences.get(assignment.value.job),
    }));
  }

  async answer(method: BalancerMethod, body: never): Promise<unknown> {
    this.calls.push({ method, body });
    const refusal = this.refusals.get(method);
    if (refusal !== undefined) throw new RemoteError({ code: refusal, method });
    switch (method) {
      case "job.reserve":
        return { granted: true, expiresAt: 0 };
      case "quote.request":
        return this.#quote(body as BalancerRequest<"quote.request">);
      case "job.assign": {
        const terms = body as JobTerms;
        this.jobs.set(terms.assignment.value.job, terms);
        return { accepted: true };
      }
      case "job.end": {
        const { job } = body as BalancerRequest<"job.end">;
        const { served } = this.audiences.get(job) ?? {};
        this.jobs.delete(job);
        return served === undefined ? {} : { served };
      }
      case "pull.begin":
        return { code: null };
      case "stream.position":
        return { sequence: this.position };
      case "check.close":
        return { waiting: this.checksWaiting };
      default:
        return {};
    }
  }

  /** A signed receipt of one segment with one part, of so many bytes for each rung. */
  async receipt(
    terms: JobTerms,
    seq: number,
    changes: Partial<Receipt> = {},
    partBytes = 1_000n,
  ): Promise<NodeRequest<"receipt.submit">> {
    const { spec, assignment } = terms;
    const rung = spec.primitive === "transcode" ? spec.rungs[0]! : { rung: 0, width: 0, height: 0 };
    const frames = spec.primitive === "delivery" ? 0 : 60;
    const leaves: PartLeaf[] = (spec.primitive === "transcode" ? spec.rungs : [rung]).map((each) => ({
      rung: each.rung,
      part: 0,
      frames,
      pixels: spec.primitive === "transcode" ? BigInt(each.width * each.height * frames) : 0n,
      sizeBytes: partBytes,
      sha256: `0x${"ab".repeat(32)}`,
    }));
    const value: Receipt = {
      job: assignment.value.job,
      seq: BigInt(seq),
      attempt: assignment.value.attempt,
      quoteHash: assignment.value.quoteHash,
      inputHash: zeroHash,
      outputRoot: merkleRoot(leaves.map(hashPartLeaf)),
      firstFrame: 0n,
      frames,
      durationMs: 2_000,
      sizeBytes: BigInt(leaves.length) * partBytes,
      ...changes,
    };
    const signature = await this.signer.sign(receiptStructure, domain, value);
    return { receipt: { value, signature }, leaves, kind: spec.primitive as "ingest" };
  }

  async check(receipt: Receipt, verdict: number, check = 1): Promise<NodeRequest<"check.submit">> {
    const value = {
      job: receipt.job,
      seq: receipt.seq,
      attempt: receipt.attempt,
      receiptHash: hashStatement(receiptStructure, domain, receipt),
      check,
      verdict,
      checkedAt: 1n,
    };
    return { check: { value, signature: await this.signer.sign(checkResultStructure, domain, value) } };
  }

  async #quote(request: BalancerRequest<"quote.request">): Promise<BalancerResponse<"quote.request">> {
    const value: Quote = {
      node: this.address,
      payer: request.payer,
      token: request.token,
      specHash: request.specHash,
      pricesHash: hashPrices(prices),
      maxUnits: request.maxUnits,
      validUntil: this.quoteUntil,
      nonce: 1n,
    };
    return { quote: { value, signature: await this.signer.sign(quoteStructure, domain, value) }, prices };
  }
}
