import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { hashKey } from "../../node/services/balancer/ingest-ways.ts";
import type { BalancerOptions } from "../../node/services/balancer/options.ts";
import type { SqlDatabase } from "../../node/store/sql/database.ts";
import { JobStore } from "../../node/store/sql/job-store.ts";
import { usdc } from "./candidates.ts";
import { emptyTables, openEmptyDatabase } from "./empty-database.ts";
import { type FakeMarket, randomHash, startMarket } from "./fake-market.ts";
import { ManualClock } from "./manual-clock.ts";
import { PaidNode, PayingBooks, PayingBuyer, workOf } from "./paying-market.ts";

export const ladder = [
  { name: "480p", codec: "h264" as const, height: 480, videoBitrate: 1_000_000, audioBitrate: 128_000 },
  { name: "240p-vp9", codec: "vp9" as const, height: 240, videoBitrate: 300_000, audioBitrate: 96_000 },
];
const video = { codec: "h264" as const, codecString: "avc1.64001f", width: 1280, height: 720, fps: 30 };
export const source = {
  video,
  audio: { codec: "aac" as const, codecString: "mp4a.40.2", sampleRate: 48_000, channels: 2 },
};

interface Parties {
  database: SqlDatabase;
  /** Anew for each test, with all that follows. */
  clock: ManualClock;
  books: PayingBooks;
  market: FakeMarket;
  nodes: PaidNode[];
  buyer: PayingBuyer;
}

/** A balancer with real books on all sides: its nodes', its own two, its buyer's. Sets itself up in the suite that calls it. */
export function usePayingMarket() {
  const scene = {} as Parties;
  let folder: string;
  before(async function () {
    this.timeout(240_000);
    folder = await mkdtemp(join(tmpdir(), "leat-paying-"));
    scene.database = await openEmptyDatabase(folder);
  });
  after(async () => {
    await scene.database.close();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await scene.market.balancer.stop();
    await scene.books.close();
    await emptyTables(scene.database);
  });

  async function open(decimals: number, samplingRate = 1) {
    scene.clock = new ManualClock();
    scene.nodes = [
      new PaidNode(1, ["ingest", "delivery"]),
      new PaidNode(2, ["ingest", "transcode", "delivery"]),
      new PaidNode(3, ["transcode", "delivery"]),
    ];
    scene.buyer = new PayingBuyer(4, ["buyer"]);
    scene.books = await PayingBooks.open(scene.clock, decimals, scene, { samplingRate });
    await startAgain();
  }
  async function startAgain(jobStore = new JobStore(scene.database), options: Partial<BalancerOptions> = {}) {
    scene.market = await startMarket(scene.database, { ...scene, jobStore, options });
    scene.books.hub = scene.market.hub;
    for (const node of [...scene.nodes, scene.buyer]) scene.market.hub.join(node);
  }
  const until = async (done: () => boolean | Promise<boolean>) => {
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const create = (unsignedBudgetBytes = 10n ** 9n) =>
    scene.market.balancer.createStream(scene.buyer.address, {
      ladder,
      token: usdc,
      nonce: randomHash(9),
      unsignedBudgetBytes,
    });
  const publish = async (streamKey: string, node = scene.nodes[0]!) => {
    const grant = await scene.market.hub.ask(node, "publish.request", {
      keyHash: hashKey(streamKey),
      protocol: "rtmp",
    });
    await node.admit(grant.terms);
    node.jobs.set(grant.terms.assignment.value.job, grant.terms);
    return grant;
  };
  const jobsOf = (stream: Hex) =>
    scene.nodes.flatMap((node) =>
      [...node.jobs.values()].filter(({ spec }) => spec.stream === stream).map((terms) => ({ node, terms })),
    );
  async function goLive(unsignedBudgetBytes?: bigint) {
    const created = await create(unsignedBudgetBytes);
    await publish(created.streamKey);
    await scene.market.hub.ask(scene.nodes[0]!, "source.ready", { stream: created.id, source, partTargetMs: 250 });
    await until(() => jobsOf(created.id).length === 3);
    return created;
  }
  /** The origin tells that a segment is there, as it does before anybody has made anything of it. */
  async function begin(stream: Hex, sequence: number) {
    const takesIn = ({ spec }: JobTerms) => spec.primitive === "ingest" && spec.stream === stream;
    const origin = scene.nodes.find((node) => [...node.jobs.values()].some(takesIn));
    if (origin !== undefined) {
      const told = { stream, rungs: [SOURCE_RUNG], sequence };
      // Nobody waits for an answer to it: its stream may be over.
      await scene.market.hub.ask(origin, "segment.published", told).catch(() => {});
    }
  }
  /** One segment of a job, 2 s, with the origin's word and check where it is a transcode. */
  async function work(node: PaidNode, terms: JobTerms, seq: number, verdict = 1, partBytes?: bigint) {
    const submit = await node.receipt(terms, seq, {}, partBytes);
    const worth = workOf(node, terms, submit);
    await node.payee.earned(worth);
    if (submit.kind === "transcode") await begin(terms.spec.stream, seq);
    await scene.market.hub.ask(node, "receipt.submit", submit);
    if (submit.kind === "transcode") {
      await scene.market.hub.ask(
        scene.nodes[0]!,
        "check.submit",
        await scene.nodes[0]!.check(submit.receipt.value, verdict),
      );
    }
    return { ...worth, node };
  }
  const renew = (stream: Hex, sequence: number) =>
    scene.market.hub.ask(scene.nodes[0]!, "publish.renew", {
      stream,
      lastFrameAgeMs: 0,
      sequence,
      frames: sequence * 60,
      isOver: false,
      published: [],
    });

  return Object.assign(scene, { open, startAgain, until, create, publish, jobsOf, goLive, begin, work, renew });
}
