import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChainError } from "../../../../node/chain/errors.ts";
import type { ChainSender } from "../../../../node/chain/sender.ts";
import { systemClock } from "../../../../node/kernel/clock.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { EvidenceService, evidenceOptions } from "../../../../node/services/faults/evidence-service.ts";
import { EvidenceFiles } from "../../../../node/store/evidence.ts";
import { silentLogger } from "../../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../../sdk/base/metrics.ts";
import { createDomain } from "../../../../sdk/protocol/eip712.ts";
import type { Address } from "../../../../sdk/protocol/hex.ts";
import { zeroHash } from "../../../../sdk/protocol/hex.ts";
import { receiptStructure } from "../../../../sdk/protocol/signed.ts";
import { defaultsOf } from "../../../support/defaults.ts";

const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
const faults: Address = `0x${"fa".repeat(20)}`;
const reporter: Address = `0x${"4e".repeat(20)}`;
const liar = nativeStatements.createSigner(new Uint8Array(32).fill(5));

async function receipt(seq: bigint, frames: number) {
  const hashes = { job: zeroHash, quoteHash: zeroHash, inputHash: zeroHash, outputRoot: zeroHash };
  const value = { ...hashes, seq, attempt: 1, firstFrame: 0n, frames, durationMs: 1, sizeBytes: 1n };
  return { value, signature: await liar.sign(receiptStructure, domain, value) };
}

const pairOf = async (seq: bigint) => ({ first: await receipt(seq, 1), second: await receipt(seq, 2) });

describe("evidence of faults", () => {
  let folder: string;
  let sent: { readonly address: Address; readonly functionName: string; readonly args: readonly unknown[] }[];
  let refusal: ChainError | undefined;
  const open: EvidenceService[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-evidence-"));
    sent = [];
    refusal = undefined;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((service) => service.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  async function start(changes: object = {}): Promise<EvidenceService> {
    const send = (async (call: (typeof sent)[number]) => {
      sent.push(call);
      if (refusal !== undefined) throw refusal;
      return { transaction: zeroHash, blockNumber: 1n };
    }) as unknown as ChainSender["send"];
    const base = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
    const files = new EvidenceFiles(join(folder, "faults"));
    const parts = { files, statements: nativeStatements, domain, faults, sender: { send }, reporter, ...base };
    const service = new EvidenceService(parts, defaultsOf(evidenceOptions, changes));
    open.push(service);
    await service.start();
    return service;
  }

  it("knows after a restart whom it caught, and tells nobody unless it is set to", async () => {
    const first = await start();
    assert.equal(first.isGuilty(liar.address), false);
    assert.equal(await first.keep(await pairOf(1n)), true);
    await first.stop();
    const second = await start();
    assert.equal(second.isGuilty(liar.address), true);
    assert.deepEqual(sent, []);
  });

  it("keeps nothing that proves nothing", async () => {
    const evidence = await start();
    const same = await receipt(1n, 1);
    assert.equal(await evidence.keep({ first: same, second: same }), false);
    assert.equal(await evidence.keep({ first: same, second: await receipt(2n, 1) }), false);
    assert.equal(evidence.isGuilty(liar.address), false);
  });

  it("reports where it is set to, what came before a restart too, and bears a refusal", async () => {
    const quiet = await start();
    await quiet.keep(await pairOf(1n));
    await quiet.stop();
    const evidence = await start({ report: true });
    await evidence.keep(await pairOf(2n));
    refusal = new ChainError({ code: "CHAIN_REVERTED", method: "proveEquivocation", reason: "FaultsCoolDown" });
    await evidence.keep(await pairOf(3n));
    await evidence.stop();
    assert.deepEqual(
      sent.map(({ address, functionName, args }) => [address, functionName, (args[0] as { seq: bigint }).seq, args[4]]),
      [1n, 2n, 3n].map((seq) => [faults, "proveEquivocation", seq, reporter]),
    );
  });

  it("keeps one proof of a work and so many of a node, and reads past a file that somebody damaged", async () => {
    const evidence = await start({ maxPerNode: 2 });
    for (const seq of [1n, 1n, 2n, 3n]) assert.equal(await evidence.keep(await pairOf(seq)), true);
    assert.equal((await readdir(join(folder, "faults"))).length, 2);
    await writeFile(join(folder, "faults", "a.json"), "half a fi");
    await evidence.stop();
    assert.equal((await start()).isGuilty(liar.address), true);
  });
});
