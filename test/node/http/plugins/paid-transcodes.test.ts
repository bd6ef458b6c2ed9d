import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { readToken } from "@leat/sdk/client/x402/prepaid-fetch.ts";
import { BALANCE_HEADER } from "@leat/sdk/protocol/x402.ts";
import { transcodeFile } from "@leat/transcoder/stored.ts";
import { writePattern } from "@leat/transcoder/tools/media.ts";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import { readBoxes } from "../../../support/media/mp4-reader.ts";
import { useX402 } from "../../../support/use-x402.ts";
import { payingFetch, usdcOf, type X402Node } from "../../../support/x402-scene.ts";

const PREPAY = 1_000_000n;
/** A hundredth of a base unit of USDC for a pixel. */
const PIXEL_PRICE = "0.00000001";
const ladder = [{ name: "120p", codec: "h264", height: 120, videoBitrate: 100_000, audioBitrate: 32_000 }];
const FRAME = 160n * 120n;

interface Rendition {
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly path: string;
}

describe("transcode jobs by HTTP", function () {
  this.timeout(120_000);
  const on = useX402();
  let folder: string;
  let source: Buffer<ArrayBuffer>;
  let viewer: NodeKey;
  let node: X402Node;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-jobs-"));
    const path = join(folder, "source.flv");
    await writePattern(path, { width: 320, height: 240, fps: 15, durationS: 2 });
    source = Buffer.from(await readFile(path));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    viewer = await on.newViewer(5n * PREPAY);
    node = await on.start({ jobs: { folder: join(folder, "jobs"), pixelPrice: PIXEL_PRICE } });
  });

  const jobUrl = (change: Record<string, string> = {}) => {
    const query = { width: "320", height: "240", fps: "15", seconds: "3", ladder: JSON.stringify(ladder), ...change };
    return `${node.origin()}/v1/transcodes?${new URLSearchParams(query)}`;
  };
  const post = (body: Uint8Array<ArrayBuffer> = source): RequestInit => ({
    method: "POST",
    body,
    headers: { "content-type": "video/x-flv" },
  });
  const codeOf = async (answer: Response) => ((await answer.json()) as { error: { code: string } }).error.code;
  const leftovers = () => readdir(join(folder, "jobs"));
  const sourceBytes = async () => {
    const [job] = await leftovers();
    if (job === undefined) return 0;
    return (await stat(join(folder, "jobs", job, ".source")).catch(() => ({ size: 0 }))).size;
  };

  it("asks for no more than the declared pixels cost, before it reads the source", async () => {
    const asked = await fetch(jobUrl(), post());
    assert.equal(asked.status, 402);
    const { accepts } = decodePaymentRequiredHeader(asked.headers.get("payment-required")!);
    assert.equal(accepts[1]!.amount, ((46n * FRAME) / 100n).toString());
    assert.deepEqual(await leftovers(), []);
  });

  it("is paid by the public client for the pixels that came out, and gives the rest back", async () => {
    const before = await usdcOf(on.market, viewer.address);
    const answer = await payingFetch(on.market, viewer)(jobUrl(), post());
    assert.equal(answer.status, 200);
    const { pixels, renditions } = (await answer.json()) as { pixels: string; renditions: Rendition[] };
    const [rendition] = renditions;
    assert.deepEqual([rendition!.frames, rendition!.width, rendition!.height], [30, 160, 120]);
    assert.equal(BigInt(pixels), 30n * FRAME);
    const left = PREPAY - (30n * FRAME) / 100n;
    assert.equal(await node.prepaid.balance(viewer.address), left);
    assert.equal(BigInt(answer.headers.get(BALANCE_HEADER)!), left);
    assert.equal(before - (await usdcOf(on.market, viewer.address)), PREPAY);
    const file = await fetch(`${node.origin()}${rendition!.path}`);
    const bytes = Buffer.from(await file.arrayBuffer());
    assert.equal(bytes.length, rendition!.sizeBytes);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), rendition!.sha256);
    assert.deepEqual(await readdir(join(folder, "jobs", rendition!.path.split("/")[3]!)), ["120p.mp4"]);
    await assertSeekable(`${node.origin()}${rendition!.path}`, bytes);
  });

  /** As a player has it: its tables first, then what it seeks to. */
  async function assertSeekable(url: string, whole: Buffer): Promise<void> {
    const types = readBoxes(whole).map(({ type }) => type);
    assert.ok(types.indexOf("moov") < types.indexOf("mdat"), types.join(" "));
    const head = await fetch(url, { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), String(whole.length));
    assert.equal(head.headers.get("accept-ranges"), "bytes");
    const part = await fetch(url, { headers: { range: "bytes=100-299" } });
    assert.deepEqual([part.status, part.headers.get("content-range")], [206, `bytes 100-299/${whole.length}`]);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(100, 300));
    const end = await fetch(url, { headers: { range: "bytes=-7" } });
    assert.deepEqual(Buffer.from(await end.arrayBuffer()), whole.subarray(-7));
    const beyond = await fetch(url, { headers: { range: `bytes=${whole.length}-` } });
    assert.deepEqual([beyond.status, beyond.headers.get("content-range")], [416, `bytes */${whole.length}`]);
  }

  it("takes nothing for what is no video, and keeps nothing of it", async () => {
    const answer = await payingFetch(on.market, viewer)(jobUrl(), post(new Uint8Array(5_000).fill(7)));
    assert.equal(answer.status, 422);
    assert.equal(await codeOf(answer), "STORED_JOB_UNREADABLE");
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY);
    assert.deepEqual(await leftovers(), []);
  });

  it("keeps what was declared, and hands nothing out, where the source is more", async () => {
    const answer = await payingFetch(on.market, viewer)(jobUrl({ seconds: "1" }), post());
    assert.equal(answer.status, 422);
    assert.equal(await codeOf(answer), "STORED_JOB_BEYOND_DECLARED");
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY - (16n * FRAME) / 100n);
    assert.deepEqual(await leftovers(), []);
  });

  it("ends a job that takes too long, and takes nothing for it", async () => {
    await node.stop();
    const settings = { limitMs: 1 };
    node = await on.start({ jobs: { folder: join(folder, "jobs"), pixelPrice: PIXEL_PRICE, settings } });
    const answer = await payingFetch(on.market, viewer)(jobUrl(), post());
    assert.equal(await codeOf(answer), "STORED_JOB_TIMED_OUT");
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY);
    assert.deepEqual(await leftovers(), []);
  });

  const startLeaving = async (bytes: number) => {
    const paid = await payingFetch(on.market, viewer)(node.url("master.m3u8"));
    const authorization = `Bearer ${readToken(paid.headers.get("payment-response"))}`;
    const headers = { authorization, "content-length": source.length };
    const leaving = request(jobUrl(), { method: "POST", headers });
    leaving.on("error", () => {});
    leaving.write(source.subarray(0, bytes));
    return leaving;
  };

  it("gives everything back to a client that leaves in the middle of its source, and takes one job at a time", async () => {
    const leaving = await startLeaving(100);
    await on.until(async () => (await sourceBytes()) === 100);
    assert.ok((await node.prepaid.balance(viewer.address)) < PREPAY);
    const second = await fetch(jobUrl(), post());
    assert.equal(await codeOf(second), "STORED_JOB_BUSY", "said before it is paid");
    leaving.destroy();
    await on.until(async () => (await node.prepaid.balance(viewer.address)) === PREPAY);
    assert.deepEqual(await leftovers(), []);
  });

  it("charges a client that leaves while its job runs", async () => {
    await node.stop();
    const begun = Promise.withResolvers<void>();
    let jobs = 0;
    const transcode: typeof transcodeFile = async (task) => {
      jobs += 1;
      begun.resolve();
      // The first job lasts until its client has left.
      if (jobs === 1) await once(task.signal!, "abort");
      return transcodeFile(task);
    };
    node = await on.start({ jobs: { folder: join(folder, "jobs"), pixelPrice: PIXEL_PRICE, transcode } });
    const leaving = await startLeaving(source.length);
    await begun.promise;
    leaving.destroy();
    const isIdle = async () => (await codeOf(await fetch(jobUrl(), post()))) === "X402_PAYMENT_REQUIRED";
    await on.until(isIdle);
    const next = await payingFetch(on.market, viewer)(jobUrl(), post());
    assert.equal(next.status, 200);
    // What was declared, and what the next job used.
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY - (46n * FRAME) / 100n - (30n * FRAME) / 100n);
  });

  it("refuses what it cannot do before anything is paid", async () => {
    const cases: [url: string, code: string, status: number][] = [
      [jobUrl({ width: "0" }), "STORED_JOB_INVALID", 400],
      [jobUrl({ fps: "1e3" }), "STORED_JOB_INVALID", 400],
      [jobUrl({ ladder: "[]" }), "STORED_JOB_INVALID", 400],
      [jobUrl({ ladder: "{" }), "STORED_JOB_INVALID", 400],
      [jobUrl({ ladder: "h265" }), "STORED_JOB_INVALID", 400],
      [jobUrl({ ladder: "vp9" }), "STORED_JOB_CODEC_UNSOLD", 400],
      [jobUrl({ seconds: "61" }), "STORED_JOB_TOO_LONG", 400],
      [jobUrl({ ladder: JSON.stringify([{ ...ladder[0], codec: "av1", height: 48 }]) }), "LADDER_RUNGS_TOO_SMALL", 400],
      [jobUrl({ ladder: JSON.stringify([{ ...ladder[0], codec: "vp9" }]) }), "STORED_JOB_CODEC_UNSOLD", 400],
    ];
    for (const [url, code, status] of cases) {
      const answer = await fetch(url, post());
      assert.equal(answer.status, status);
      assert.equal(await codeOf(answer), code);
    }
    const unknown = await fetch(`${node.origin()}/v1/transcodes/${"0".repeat(32)}/120p.mp4`);
    assert.equal(await codeOf(unknown), "STORED_JOB_FILE_UNKNOWN");
    const outside = await fetch(`${node.origin()}/v1/transcodes/..%2f..%2f/x.mp4`);
    assert.equal(outside.status, 404);
  });
});
