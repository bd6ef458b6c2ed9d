import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ReceiptList } from "@leat/node/cli/receipt-list.ts";
import { parseNetwork, requireDeployed } from "@leat/sdk/protocol/network.ts";
import { demoLadder } from "../../scripts/network/demo.ts";
import type { DemoReport } from "../../scripts/network/report.ts";
import { readJson } from "../../scripts/network/wallets.ts";
import { listCollections } from "../../sdk/client/actions/account.ts";
import { createClient } from "../../sdk/client/create-client.ts";
import { writePattern } from "../../transcoder/tools/media.ts";
import { assertWhole, range } from "../support/e2e-facts.ts";
import { findPorts } from "../support/e2e-network.ts";
import { within } from "../support/e2e-stream.ts";
import { judgeMaster } from "../support/hls-judge.ts";
import { runLeat } from "../support/run-leat.ts";

const program = join(import.meta.dirname, "../../scripts/network/main.ts");
const framesOfPattern = 12 * 30;

describe("the demo of a local network", function () {
  this.timeout(240_000);
  let dir: string;
  let demo: Demo | undefined;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "leat-e2e-"));
  });

  afterEach(async () => {
    await demo?.stop();
    demo = undefined;
    await rm(dir, { recursive: true, force: true });
  });

  it("transcodes, delivers, checks and pays a stream in USDC, and reports it", async () => {
    demo = await Demo.start(dir, ["--keep"]);
    const report = await demo.report;
    assertReport(report, framesOfPattern);
    assertWhole(
      await judgeMaster(report.playback.hls),
      demoLadder.map(({ name }) => name),
      range(0, framesOfPattern),
    );
    await assertCollected(demo, report, "USDC");
    await assertProven(demo, report);
    assert.equal(await demo.stop(), 0);
    for (const { name, pid } of report.processes) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, name);
  });

  it("does the same in LPT, with a file", async () => {
    const file = join(dir, "pattern.flv");
    await writePattern(file, { width: 640, height: 480, fps: 25, durationS: 7 });
    demo = await Demo.start(dir, ["--token", "LPT", "--input", file, "--keep"]);
    const report = await demo.report;
    assertReport(report, 175);
    await assertCollected(demo, report, "LPT");
  });
});

/** `scripts/up --demo --json` without its set-up: the same program with the same arguments. */
class Demo {
  readonly report: Promise<DemoReport>;
  readonly rpcUrl: string;
  readonly dataDir: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;

  private constructor(child: ChildProcess, dataDir: string, rpcUrl: string) {
    this.#child = child;
    this.dataDir = dataDir;
    this.rpcUrl = rpcUrl;
    this.#exited = once(child, "exit").then(([code]) => code as number | null);
    const lines: string[] = [];
    const steps: string[] = [];
    createInterface({ input: child.stderr! }).on("line", (line) => steps.push(line));
    const told = new Promise<DemoReport>((resolve) => {
      createInterface({ input: child.stdout! }).on("line", (line) => {
        lines.push(line);
        if (line.startsWith('{"ok":true')) resolve(JSON.parse(line) as DemoReport);
      });
    });
    const failed = this.#exited.then((code) => {
      throw new Error(`the demo ended with ${code}:\n${[...steps, ...lines].join("\n")}`);
    });
    failed.catch(() => undefined);
    this.report = within(180_000, Promise.race([told, failed]), "the demo's report");
  }

  static async start(dir: string, args: readonly string[]): Promise<Demo> {
    const portBase = await findPorts();
    const dataDir = join(dir, "network");
    const all = ["--demo", "--json", "--data", dataDir, "--port-base", String(portBase), ...args];
    const child = spawn(process.execPath, [program, ...all], { stdio: ["ignore", "pipe", "pipe"] });
    return new Demo(child, dataDir, `http://127.0.0.1:${portBase}`);
  }

  /** Ctrl-C by somebody who is impatient. Answers the exit code. */
  async stop(): Promise<number | null> {
    for (let at = 0; at < 2 && this.#child.exitCode === null; at += 1) this.#child.kill("SIGINT");
    return this.#exited;
  }
}

function assertReport(report: DemoReport, frames: number): void {
  const { stream, renditions, jobs, payments, loss, processes } = report;
  assert.deepEqual([stream.ingestProtocol, stream.sourceCodec, stream.framesSeen], ["rtmp", "h264", frames]);
  const video = renditions.filter(({ kind }) => kind === "video");
  assert.deepEqual(
    video.map(({ name, codec, height, frames: own }) => [name, codec, height, own]),
    demoLadder.map(({ name, codec, height }) => [name, codec, height, frames]),
  );
  const segments = new Set(renditions.map((rendition) => rendition.segments));
  assert.deepEqual([segments.size, segments.has(0)], [1, false]);
  const pidOf = (node: string) => processes.find((one) => one.node === node)?.pid;
  const transcodes = jobs.filter(({ primitive }) => primitive === "transcode");
  assert.equal(transcodes.length, 2);
  for (const job of transcodes) {
    assert.deepEqual([job.checked, job.failed, job.proven], [job.segments, 0, true], job.job);
    assert.ok(segments.has(job.segments), `${job.segments} segments`);
    assert.notEqual(job.node, stream.ingestNode);
    assert.notEqual(pidOf(job.node), undefined);
    assert.notEqual(pidOf(job.node), pidOf(stream.ingestNode));
  }
  assert.deepEqual(
    jobs.filter(({ primitive }) => primitive === "ingest").map(({ node, proven }) => [node, proven]),
    [[stream.ingestNode, false]],
  );
  const edges = jobs.filter(({ primitive }) => primitive === "delivery");
  assert.equal(new Set(edges.map(({ node }) => node)).size, 2);
  for (const { primitive, selectionReceipt } of jobs) assert.match(selectionReceipt, /^0x[0-9a-f]{64}$/, primitive);
  // Whoever worked was paid: every node with a job has a channel, and so has the cluster towards the buyer.
  assert.deepEqual(
    [...new Set(jobs.map(({ node }) => node))].filter((node) => !payments.some(({ payee }) => payee === node)),
    [],
  );
  for (const { vouchered, collected, transaction } of payments) {
    assert.equal(vouchered, collected);
    assert.ok(BigInt(collected) > 0n);
    assert.match(transaction ?? "", /^0x[0-9a-f]{64}$/);
  }
  assert.deepEqual(loss.map(({ payee }) => payee).sort(), payments.map(({ payee }) => payee).sort());
  for (const [name, value] of Object.entries(report.timings)) assert.ok(Number(value) > 0, name);
  assert.ok(report.memory.peakPssBytes > 0);
}

/** What its buyer can see of the work: each receipt signed by its node, each check by whoever made it. */
async function assertProven({ dataDir }: Demo, { stream, jobs }: DemoReport): Promise<void> {
  const config = join(dataDir, "buyer/config.json");
  const { code, stdout } = await runLeat("stream", "receipts", stream.slug, "--json", "--config", config);
  const { receipts, isCut } = JSON.parse(stdout) as ReceiptList;
  assert.deepEqual([code, isCut, receipts.flatMap(({ faults }) => faults)], [0, false, []]);
  const verified = receipts.filter((one) => "hash" in one);
  for (const { job, attempt, primitive, segments, checked } of jobs) {
    const own = verified.filter(({ receipt }) => receipt.job === job && receipt.attempt === attempt);
    const proofs = own.map(({ proof }) => proof);
    assert.equal(own.length, segments);
    const proven = proofs.filter((proof) => proof === "checked").length;
    if (primitive === "ingest") assert.ok(proofs.every((proof) => proof === "unproven"));
    else if (primitive === "transcode") assert.equal(proven, checked);
    // What an edge serves once its job is over is looked at too, and has no receipt.
    else assert.equal(proven, Math.min(checked, own.length));
  }
}

/** The contract's own account of every channel. */
async function assertCollected({ rpcUrl, dataDir }: Demo, report: DemoReport, token: "USDC" | "LPT"): Promise<void> {
  const { deployment } = requireDeployed(parseNetwork(await readJson(join(dataDir, "network.json"))));
  const events = await listCollections(createClient({ rpcUrl, deployment }));
  for (const payment of report.payments) {
    const own = events.filter(({ payer, payee }) => payer === payment.payer && payee === payment.payee);
    assert.equal(own.reduce((sum, { amount }) => sum + amount, 0n).toString(), payment.collected, payment.payee);
    assert.ok(own.some(({ transaction }) => transaction === payment.transaction));
    assert.equal(payment.token, deployment.tokens[token]);
  }
  assert.equal(
    events.length > 0 && events.every(({ payee }) => report.payments.some((one) => one.payee === payee)),
    true,
  );
}
