import { performance } from "node:perf_hooks";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { selectionReceiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import { defaultParameters } from "@leat/sdk/selection/parameters.ts";
import { createBody, createReceipt } from "@leat/sdk/selection/receipt.ts";
import { createSeedChain, deriveSeed } from "@leat/sdk/selection/seed.ts";
import { select } from "@leat/sdk/selection/selection.ts";
import { createTable } from "@leat/sdk/selection/table.ts";
import type { BenchCase } from "./case.ts";

interface Figures {
  readonly perSecond: number;
  readonly p99Ms: number;
  /** What a heartbeat costs apart from the decisions: sorting and hashing a wholly changed table. */
  readonly tableMs: number;
}

const sizes = [100, 1_000, 10_000];
const decisions = 600;

/** Whole decisions (filters, lottery, cost, the receipt's hashes and its signature) on one core, per operators. */
export const run: BenchCase = async ({ log, signal }) => {
  const figures: Record<string, Figures> = {};
  for (const size of sizes) {
    signal.throwIfAborted();
    log(`${decisions} decisions among ${size} operators`);
    figures[String(size)] = await measure(size);
  }
  return { rows: Object.entries(figures).map(([operators, row]) => ({ operators, ...row })), json: figures };
};

async function measure(operators: number): Promise<Figures> {
  const rows = Array.from({ length: operators }, (_, index) => makeRow(index));
  const begin = performance.now();
  const table = createTable(rows, defaultParameters);
  const tableMs = performance.now() - begin;
  const chain = createSeedChain(new Uint8Array(32).fill(1), decisions * 2);
  const signer = nativeStatements.createSigner(new Uint8Array(32).fill(2));
  const domain = createDomain(31337, hex(20, 3));
  const took: number[] = [];
  // The first half warms the compiler up and is not counted.
  for (let turn = 1; turn <= decisions * 2; turn += 1) {
    const start = performance.now();
    const job = hex(32, turn);
    const seed = { epoch: 1, index: turn, preimage: chain.preimage(turn), buyerNonce: hex(32, 7) };
    const request = {
      primitive: "transcode",
      codecs: ["h264"],
      token: hex(20, 5),
      units: 30_000_000,
      nearRegion: "eu-west-1",
      priceCeiling: 3n * 10n ** 18n,
      excluded: [{ node: hex(20, 1000 + turn), reason: "ingest" }],
      reserved: [{ node: hex(20, 1001 + turn), units: 1_000_000 }],
      holders: [hex(20, 1002 + turn)],
    } as const;
    const facts = { job, attempt: 1, cluster: 1n, seed, request, parameters: defaultParameters, decidedAt: 1n };
    const selection = select({
      table,
      request,
      seed: deriveSeed(seed.preimage, seed.buyerNonce, job, 1),
      parameters: defaultParameters,
    });
    const receipt = createReceipt(facts, selection, createBody(facts, selection));
    await signer.sign(selectionReceiptStructure, domain, receipt);
    if (turn > decisions) took.push(performance.now() - start);
  }
  took.sort((left, right) => left - right);
  const total = took.reduce((sum, ms) => sum + ms, 0);
  return {
    perSecond: Math.round((took.length * 1000) / total),
    p99Ms: roundMs(took[Math.ceil(took.length * 0.99) - 1]!),
    tableMs: roundMs(tableMs),
  };
}

/** Nodes that differ in everything the filters read. */
function makeRow(index: number): Candidate {
  const row: Candidate = {
    node: hex(20, 1000 + index),
    operator: hex(20, 1_000_000 + index),
    region: ["eu-west-1", "eu-east-1", "us-west-1"][index % 3]!,
    primitives: index % 10 === 0 ? ["delivery"] : ["transcode", "delivery"],
    codecs: index % 7 === 0 ? ["vp9"] : ["h264", "vp9"],
    prices: [
      {
        token: hex(20, 5),
        prices: {
          deliveredByte: 5n * 10n ** 18n,
          pixelH264: (2n + BigInt(index % 3)) * 10n ** 18n,
          pixelVp9: 4n * 10n ** 18n,
        },
      },
    ],
    free: { ingest: 0, transcode: 20_000_000 + (index % 13) * 10_000_000, storage: 0, delivery: 100_000_000 },
    stake: BigInt(1 + (index % 50)) * 10n ** 18n,
    vetting: index % 20 === 0 ? "new" : "standing",
    draining: index % 50 === 0,
    loadPermille: (index * 37) % 1000,
    overloaded: (index * 37) % 1000 > 800,
    rttMs: index % 90,
    reputationPpm: 900_000 + (index % 100_000),
  };
  return Object.freeze(row);
}

function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function hex(sizeBytes: number, value: number): Hex {
  return `0x${value.toString(16).padStart(sizeBytes * 2, "0")}`;
}
