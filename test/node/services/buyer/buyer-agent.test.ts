import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { drawPart } from "../../../../node/services/buyer/edge-probe.ts";
import type { OutboxItem } from "../../../../node/services/jobs/outbox.ts";
import type { UsageReport } from "../../../../node/wire/session/messages.ts";
import { hashStatement } from "../../../../sdk/protocol/eip712.ts";
import type { Hex } from "../../../../sdk/protocol/hex.ts";
import { checkResultStructure, checkVerdicts, receiptStructure } from "../../../../sdk/protocol/signed.ts";
import {
  domain,
  partsOf,
  probeSecret,
  type ReportInput,
  randomHash,
  stream,
  useBuyerAgent,
} from "../../../support/buyer-scene.ts";

const slug = "stream-slug";

describe("buyer's agent", () => {
  const { on, call, restart, leavesOf, reportOf, quoteOf, requestOf } = useBuyerAgent();
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  it("signs for reported work at the reported price, to the base unit", async () => {
    const reports = [await reportOf({ sequence: 1 }), await reportOf({ sequence: 2 })];
    for (const report of reports) await call("usage.report", report);
    // 4,800 pixels at 10^21 are 4.8 base units of 10^24 each.
    const offer = await call("voucher.request", requestOf(reports, 9n));
    assert.equal(offer.voucher.value.cumulative, 9n);
    assert.equal(offer.voucher.value.payer, on.buyer.address);
    await assert.rejects(call("voucher.request", requestOf([await reportOf({ sequence: 3 })], 9n, 2n)), {
      code: "VOUCHER_RECEIPT_UNKNOWN",
    });
  });

  it("refuses a receipt or assignment that the wrong one signed, and leaves that were not signed", async () => {
    const refuse = async (input: ReportInput, code: string) =>
      assert.rejects(call("usage.report", await reportOf(input)), { code });
    await refuse({ worker: on.buyer }, "USAGE_RECEIPT_SIGNER_WRONG");
    await refuse({ assigner: on.buyer }, "USAGE_ASSIGNMENT_SIGNER_WRONG");
    await refuse({ change: { node: on.buyer.address } }, "USAGE_JOB_WRONG");
    await refuse({ change: { attempt: 2 } }, "USAGE_JOB_WRONG");
    await refuse({ change: { leaves: leavesOf(6) } }, "USAGE_LEAVES_WRONG");
    const signed = await reportOf();
    const cut = { ...signed, receipt: { ...signed.receipt, signature: `0x${"00".repeat(65)}` as Hex } };
    await assert.rejects(call("usage.report", cut), { code: "USAGE_SIGNATURE_INVALID" });
  });

  it("logs the code of whatever refused a report, also of its store", async () => {
    const report = await reportOf();
    await on.database.close();
    await assert.rejects(call("usage.report", report), { code: "STORE_CLOSED" });
    const { job } = report;
    assert.deepEqual(on.warned, [{ jobId: job, kind: report.kind, code: "STORE_CLOSED" }]);
  });

  it("keeps two receipts of one work as evidence, and pays the first alone", async () => {
    const first = await reportOf({ sequence: 1 });
    const second = await reportOf({ sequence: 1, leaves: leavesOf(6) });
    await call("usage.report", first);
    await call("usage.report", first);
    assert.deepEqual(on.accused, []);
    await assert.rejects(call("usage.report", second), { code: "USAGE_RECEIPT_CONFLICT" });
    assert.deepEqual(on.accused, [{ first: first.receipt, second: second.receipt }]);
    assert.equal((await call("voucher.request", requestOf([first], 4n))).voucher.value.cumulative, 4n);
  });

  it("takes any price within the quote, and holds the cluster to its first quote", async () => {
    const quoted = { pixelH264: 3n * 10n ** 21n };
    const quote = await quoteOf(quoted);
    const dearer = { quote, quoted, prices: { pixelH264: 2n * 10n ** 21n } };
    // A job that moved to a dearer node, after one at a cheaper node.
    await call("usage.report", await reportOf({ sequence: 1, change: { quote, quoted } }));
    await call("usage.report", await reportOf({ sequence: 2, change: dearer }));
    const refuse = async (change: Partial<UsageReport>, code: string) =>
      assert.rejects(call("usage.report", await reportOf({ sequence: 3, change })), { code });
    await refuse({ quote, quoted, prices: { pixelH264: 4n * 10n ** 21n } }, "USAGE_PRICE_ABOVE_QUOTE");
    await refuse({ quote, quoted: { pixelH264: 9n * 10n ** 21n } }, "USAGE_QUOTE_WRONG");
    const raised = { pixelH264: 9n * 10n ** 21n };
    await refuse({ quote: await quoteOf(raised), quoted: raised }, "USAGE_QUOTE_CHANGED");
  });

  it("refuses a quote that the cluster did not give this buyer", async () => {
    const quoted = { pixelH264: 10n ** 21n };
    for (const quote of [
      await quoteOf(quoted, {}, on.node),
      await quoteOf(quoted, { payer: on.node.address }),
      await quoteOf(quoted, { node: on.node.address }),
      await quoteOf(quoted, { token: on.node.address }),
    ]) {
      await assert.rejects(call("usage.report", await reportOf({ change: { quote, quoted } })), {
        code: "USAGE_QUOTE_WRONG",
      });
    }
  });

  it("refuses a price above its ceiling or above the quote, and units beyond the work", async () => {
    const refuse = async (change: Partial<UsageReport>, code: string) =>
      assert.rejects(call("usage.report", await reportOf({ sequence: 9, change })), { code });
    await call("usage.report", await reportOf());
    await refuse({ prices: { pixelH264: 10n ** 21n + 1n } }, "USAGE_PRICE_ABOVE_QUOTE");
    await refuse({ paidUnits: 4_801n }, "USAGE_UNITS_TOO_MANY");
    await refuse({ prices: { pixelH264: 1n, pixelVp9: 1n } }, "USAGE_UNIT_UNKNOWN");
    const [huge] = leavesOf(9);
    const leaves = [{ ...huge!, frames: 1, pixels: 2n ** 40n }];
    const claimed = await reportOf({ sequence: 9, leaves, change: { paidUnits: 2n ** 40n } });
    await assert.rejects(call("usage.report", claimed), { code: "USAGE_LEAVES_WRONG" });
    on.ceilings = { pixelH264: 10n ** 20n };
    await refuse({}, "USAGE_PRICE_ABOVE_CEILING");
  });

  it("pays one attempt at a segment, and signs for the rest of what it is asked", async () => {
    const [first, second] = [await reportOf({ sequence: 1 }), await reportOf({ sequence: 1, attempt: 2 })];
    const third = await reportOf({ sequence: 2 });
    for (const report of [first, second, third]) await call("usage.report", report);
    const offer = await call("voucher.request", requestOf([first], 4n));
    assert.equal(offer.voucher.value.seq, 1n);
    await assert.rejects(call("voucher.request", requestOf([second], 9n, 2n)), { code: "VOUCHER_RECEIPT_UNKNOWN" });
    await assert.rejects(call("usage.report", second), { code: "USAGE_PAID_TWICE" });
    const rest = await call("voucher.request", requestOf([second, third], 14n, 2n));
    assert.deepEqual(rest.receiptHashes, requestOf([third], 0n).receiptHashes);
    assert.equal(rest.voucher.value.cumulative, 9n);
  });

  it("pays ahead once, up to its limit", async () => {
    const ahead = { ...requestOf([], 1_000_000n), kind: "prepay" as const };
    await assert.rejects(call("voucher.request", { ...ahead, cumulative: 1_000_001n }), {
      code: "VOUCHER_PREPAY_REFUSED",
    });
    assert.equal((await call("voucher.request", ahead)).voucher.value.cumulative, 1_000_000n);
  });

  /** An edge that serves the stream as HLS; `alter` may change what a segment's bytes are. */
  const serveEdge = async (alter: (bytes: Buffer, rung: number, sequence: number) => Buffer): Promise<string> => {
    server = createServer((request, response) => {
      const [, , , name, file] = (request.url ?? "").split("/");
      if (name === "master.m3u8") {
        const variants = ["240p", "480p"].map((one) => `#EXT-X-STREAM-INF:BANDWIDTH=1\n${one}/index.m3u8`);
        response.end(`#EXTM3U\n${variants.join("\n")}\n`);
        return;
      }
      if (file === "index.m3u8") {
        response.end("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:4\n#EXTINF:2,\n4.m4s\n#EXTINF:2,\n5.m4s\n#EXTINF:2,\n6.m4s\n");
        return;
      }
      const rung = name === "240p" ? 0 : 1;
      const sequence = Number.parseInt(file ?? "", 10);
      const bytes = alter(Buffer.concat(partsOf(sequence)[rung]!), rung, sequence);
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
      const body = range === null ? bytes : bytes.subarray(Number(range[1]), Number(range[2]) + 1);
      response.writeHead(range === null ? 200 : 206, { "content-length": body.length });
      response.end(request.method === "HEAD" ? undefined : body);
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/live/${slug}/master.m3u8`;
  };
  const nextCheck = () =>
    new Promise<OutboxItem>((resolve) => {
      on.onCheck = () => resolve(on.checks.at(-1)!);
    });
  const edgeJob = randomHash();

  it("finds every part of an honest edge equal to what the transcoder signed", async () => {
    const hls = await serveEdge((bytes) => bytes);
    await call("stream.watch", {
      stream,
      slug,
      edges: [{ job: edgeJob, attempt: 1, node: on.node.address, hls }],
      passthrough: false,
    });
    for (const sequence of [4, 5, 6]) {
      const next = nextCheck();
      const report = await reportOf({ sequence });
      await call("usage.report", report);
      const item = await next;
      assert.ok(item.method === "check.submit");
      const { value, signature } = item.body.check;
      assert.equal(value.verdict, checkVerdicts.passed);
      assert.deepEqual([value.job, value.seq, value.check], [edgeJob, BigInt(sequence), 4]);
      assert.equal(value.receiptHash, hashStatement(receiptStructure, domain, report.receipt.value));
      assert.equal(nativeStatements.recoverSigner(checkResultStructure, domain, value, signature), on.buyer.address);
    }
  });

  it("looks once at what it is told again", async () => {
    const hls = await serveEdge((bytes) => bytes);
    const edges = [{ job: edgeJob, attempt: 1, node: on.node.address, hls }];
    await call("stream.watch", { stream, slug, edges, passthrough: false });
    const first = await reportOf({ sequence: 4 });
    for (const report of [first, await reportOf({ sequence: 5 }), await reportOf({ sequence: 6 })]) {
      const next = nextCheck();
      await call("usage.report", report);
      await next;
      await call("usage.report", first);
    }
    const looked = on.checks.map((item) => (item.method === "check.submit" ? item.body.check.value.seq : undefined));
    assert.deepEqual(looked, [4n, 5n, 6n]);
  });

  it("keeps nothing of work that comes once no edge serves its stream any more", async () => {
    const hls = await serveEdge((bytes) => bytes);
    await call("stream.watch", { stream, slug, edges: [], passthrough: false });
    await call("usage.report", await reportOf({ sequence: 4 }));
    const edges = [{ job: edgeJob, attempt: 1, node: on.node.address, hls }];
    await call("stream.watch", { stream, slug, edges, passthrough: false });
    for (const sequence of [5, 6]) {
      const next = nextCheck();
      await call("usage.report", await reportOf({ sequence }));
      await next;
    }
    const looked = on.checks.map((item) => (item.method === "check.submit" ? item.body.check.value.seq : undefined));
    assert.deepEqual(looked, [5n, 6n]);
  });

  it("compares the source with what its ingest node signed, where edges serve it", async () => {
    const hls = await serveEdge((bytes) => bytes);
    const edges = [{ job: edgeJob, attempt: 1, node: on.node.address, hls }];
    const quoted = { ingestMs: 10n ** 21n };
    const quote = await quoteOf(quoted);
    const source = async (sequence: number) => {
      const leaves = leavesOf(sequence).filter(({ rung }) => rung === 1);
      const change = { kind: "ingest", prices: quoted, quoted, quote, paidUnits: 10n } as const;
      return reportOf({ sequence, leaves: leaves.map((leaf) => ({ ...leaf, rung: 0 })), change });
    };
    await call("stream.watch", { stream, slug, edges, passthrough: false });
    await call("usage.report", await source(4));
    await call("stream.watch", { stream, slug, edges, passthrough: true });
    const next = nextCheck();
    await call("usage.report", await source(5));
    await next;
    const found = on.checks.map((item) => (item.method === "check.submit" ? item.body.check.value : undefined));
    assert.deepEqual(
      found.map((value) => [value?.seq, value?.verdict]),
      [[5n, checkVerdicts.passed]],
    );
  });

  it("finds one altered byte of the part that it drew, and pays that edge no more, over restarts too", async () => {
    const report = await reportOf();
    const receiptHash = hashStatement(receiptStructure, domain, report.receipt.value);
    const drawn = drawPart({ receiptHash, sequence: 5, leaves: report.leaves }, on.node.address, probeSecret);
    const hls = await serveEdge((bytes, rung) => {
      if (rung + 1 === drawn.leaf.rung) bytes[drawn.offset]! ^= 1;
      return bytes;
    });
    await call("stream.watch", {
      stream,
      slug,
      edges: [{ job: edgeJob, attempt: 1, node: on.node.address, hls }],
      passthrough: false,
    });
    const [early, served, later] = await Promise.all(
      [3, 7, 8].map((sequence) =>
        reportOf({
          job: edgeJob,
          sequence,
          change: { kind: "delivery", prices: { deliveredByte: 10n ** 24n }, paidUnits: 10n },
        }),
      ),
    );
    await call("usage.report", early!);
    const next = nextCheck();
    await call("usage.report", report);
    const item = await next;
    assert.ok(item.method === "check.submit");
    assert.equal(item.body.check.value.verdict, checkVerdicts.failed);
    assert.equal(item.body.code, "EDGE_PART_DIFFERENT");
    await call("usage.report", served!);
    await assert.rejects(call("voucher.request", requestOf([early!, served!], 20n)), {
      code: "VOUCHER_RECEIPT_UNKNOWN",
    });
    await restart();
    for (const receipt of [served!, later!]) await call("usage.report", receipt);
    await assert.rejects(call("voucher.request", requestOf([early!, served!, later!], 30n)), {
      code: "VOUCHER_RECEIPT_UNKNOWN",
    });
  });

  it("blames no edge for bytes of another attempt", async () => {
    // The transcoder's first attempt was thrown away: what the edge serves is the second's.
    const wrong = leavesOf(5).map((leaf) => ({ ...leaf, sha256: randomHash() }));
    const hls = await serveEdge((bytes) => bytes);
    await call("stream.watch", {
      stream,
      slug,
      edges: [{ job: edgeJob, attempt: 1, node: on.node.address, hls }],
      passthrough: false,
    });
    const next = nextCheck();
    await call("usage.report", await reportOf({ leaves: wrong }));
    const second = await reportOf({ attempt: 2 });
    await call("usage.report", second);
    const item = await next;
    assert.ok(item.method === "check.submit");
    assert.equal(item.body.check.value.verdict, checkVerdicts.passed);
    assert.equal(item.body.check.value.receiptHash, hashStatement(receiptStructure, domain, second.receipt.value));
  });

  it("blames no edge by the receipt of a segment that another completed", async () => {
    const hls = await serveEdge((bytes) => bytes);
    await call("stream.watch", {
      stream,
      slug,
      edges: [{ job: edgeJob, attempt: 1, node: on.node.address, hls }],
      passthrough: false,
    });
    const checked = () =>
      on.checks.map((item) => (item.method === "check.submit" ? item.body.check.value : undefined)!);
    const sixth = new Promise<void>((resolve) => {
      on.onCheck = () => {
        if (checked().at(-1)?.seq === 6n) resolve();
      };
    });
    const wrong = leavesOf(5).map((leaf) => ({ ...leaf, sha256: randomHash() }));
    await call("usage.report", await reportOf({ leaves: wrong }));
    const leaves = leavesOf(5).filter(({ part }) => part > 0);
    await call("usage.report", await reportOf({ attempt: 2, leaves, change: { paidUnits: 3_200n } }));
    await call("usage.report", await reportOf({ attempt: 2, sequence: 6 }));
    await sixth;
    assert.ok(checked().every(({ verdict }) => verdict === checkVerdicts.passed));
  });
});
