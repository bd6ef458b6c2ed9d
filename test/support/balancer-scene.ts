import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, JobTerms } from "@leat/sdk/protocol/job.ts";
import type { PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import { sql } from "drizzle-orm";
import { hashKey } from "../../node/services/balancer/ingest-ways.ts";
import type { SqlDatabase } from "../../node/store/sql/database.ts";
import { usdc } from "./candidates.ts";
import { emptyTables, openEmptyDatabase } from "./empty-database.ts";
import { type FakeMarket, randomHash, startMarket } from "./fake-market.ts";
import { FakeNode } from "./fake-node.ts";

export const ladder = [
  { name: "480p", codec: "h264" as const, height: 480, videoBitrate: 1_000_000, audioBitrate: 128_000 },
  { name: "240p", codec: "h264" as const, height: 240, videoBitrate: 400_000, audioBitrate: 96_000 },
  { name: "240p-vp9", codec: "vp9" as const, height: 240, videoBitrate: 300_000, audioBitrate: 96_000 },
];
export const source = {
  video: { codec: "h264" as const, codecString: "avc1.64001f", width: 1280, height: 720, fps: 30 },
  audio: { codec: "aac" as const, codecString: "mp4a.40.2", sampleRate: 48_000, channels: 2 },
};

export interface EdgeOf {
  readonly node: FakeNode;
  readonly terms: JobTerms;
}
export type WithKeys = Extract<PlaybackPolicy, { type: "jwt" }>;

interface Parties {
  folder: string;
  database: SqlDatabase;
  /** Anew for each test, as are the nodes. */
  market: FakeMarket;
  nodes: [a: FakeNode, b: FakeNode, c: FakeNode, buyer: FakeNode];
}

/** A balancer over its database, three nodes that sell and a buyer. Sets itself up in the suite that calls it. */
export function useBalancer() {
  const scene = {} as Parties;
  before(async function () {
    this.timeout(60_000);
    scene.folder = await mkdtemp(join(tmpdir(), "leat-balancer-"));
    scene.database = await openEmptyDatabase(scene.folder);
  });
  after(async () => {
    await scene.database.close();
    await rm(scene.folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    scene.nodes = [
      new FakeNode(1, ["ingest", "delivery"]),
      new FakeNode(2, ["ingest", "transcode", "delivery"]),
      new FakeNode(3, ["transcode", "delivery"]),
      new FakeNode(4, ["buyer"]),
    ];
    scene.market = await startMarket(scene.database, { nodes: scene.nodes });
    for (const node of scene.nodes) scene.market.hub.join(node);
  });
  afterEach(async () => {
    await scene.market.balancer.stop();
    await emptyTables(scene.database);
  });

  const create = (changes: object = {}) =>
    scene.market.balancer.createStream(scene.nodes[3].address, {
      ladder,
      token: usdc,
      nonce: randomHash(9),
      unsignedBudgetBytes: 1_500n,
      ...changes,
    });
  const publish = (node: FakeNode, streamKey: string) =>
    scene.market.hub.ask(node, "publish.request", { keyHash: hashKey(streamKey), protocol: "rtmp" });
  /** Another node that takes streams in, known and not in session yet. */
  const addFifth = async () => {
    const fifth = new FakeNode(5, ["ingest"]);
    await scene.market.balancer.stop();
    scene.market = await startMarket(scene.database, { nodes: [...scene.nodes, fifth] });
    for (const node of scene.nodes) scene.market.hub.join(node);
    return fifth;
  };
  const countDecisions = async () => {
    const [row] = await scene.database.sql.execute(sql`select count(*) as count from selections`);
    return Number(row!.count);
  };
  /** The database answers from a thread of its own: looks again until `done` holds. */
  const until = async (done: () => boolean | Promise<boolean>) => {
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const transcoders = (stream: Hex) =>
    scene.nodes.flatMap((node) =>
      [...node.jobs.values()].filter(({ spec }) => spec.primitive === "transcode" && spec.stream === stream),
    );
  const ownerOf = (terms: JobTerms) => scene.nodes.find((node) => node.address === terms.assignment.value.node)!;

  const edgesOf = (stream: Hex): EdgeOf[] =>
    scene.nodes.flatMap((node) =>
      [...node.jobs.values()]
        .filter(({ spec }) => spec.primitive === "delivery" && spec.stream === stream)
        .map((terms) => ({ node, terms })),
    );
  const policyOf = ({ spec }: JobTerms) => (spec as DeliverySpec).playback as WithKeys;
  const updatesOf = (terms: JobTerms) =>
    (ownerOf(terms).told("job.update") as { job: Hex; playback?: WithKeys }[])
      .filter(({ job }) => job === terms.assignment.value.job)
      .flatMap(({ playback }) => playback ?? []);

  async function goLive(node = scene.nodes[0], changes: object = {}) {
    const created = await create(changes);
    const grant = await publish(node, created.streamKey);
    node.jobs.set(grant.terms.assignment.value.job, grant.terms);
    const ready = await scene.market.hub.ask(node, "source.ready", { stream: created.id, source, partTargetMs: 250 });
    await until(() => transcoders(created.id).length === 2);
    return { ...created, grant, ready, ingest: node };
  }

  return Object.assign(scene, {
    create,
    publish,
    addFifth,
    countDecisions,
    until,
    transcoders,
    ownerOf,
    edgesOf,
    policyOf,
    updatesOf,
    goLive,
  });
}
