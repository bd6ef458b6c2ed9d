import { getDecimals } from "@leat/sdk/client/actions/account.ts";
import {
  type ApiCaller,
  type CreatedStream,
  getStream,
  type JobInfo,
  listJobs,
  listReceipts,
  type ReceiptInfo,
} from "@leat/sdk/client/actions/streams.ts";
import type { Playback } from "@leat/sdk/client/actions/watch.ts";
import { createClient } from "@leat/sdk/client/create-client.ts";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import { toBaseUnits } from "@leat/sdk/protocol/units.ts";
import type { PublishReport } from "@leat/transcoder/tools/publisher.ts";
import { readPayees, type ToldChannel } from "./channels.ts";
import type { LocalNetwork } from "./local-network.ts";
import type { DemoJob, DemoRendition, DemoReport } from "./report.ts";
import type { Viewed } from "./viewer.ts";

export interface DemoOutcome {
  readonly stream: CreatedStream;
  readonly playback: Playback;
  readonly published: PublishReport;
  /** What each viewer fetched: the primary edge's first. */
  readonly viewed: readonly Viewed[];
  readonly peakPssBytes: number;
  readonly timings: DemoReport["timings"];
}

/** Puts together what the cluster, its nodes and the viewers tell of one stream. */
export async function writeReport(network: LocalNetwork, caller: ApiCaller, outcome: DemoOutcome): Promise<DemoReport> {
  const { id, slug, playbackUrl } = outcome.stream;
  const [stream, jobs, receipts, channels] = await Promise.all([
    getStream(caller, id),
    listJobs(caller, id),
    readAll(listReceipts(caller, id)),
    readPayees(network),
  ]);
  const ingest = jobs.find(({ primitive }) => primitive === "ingest")?.attempts.at(-1);
  const renditions = describeRenditions(stream.renditions, jobs, outcome.viewed[0], ingest?.node ?? "");
  const framesSeen = Number(stream.frames);
  return {
    ok: renditions.every(({ kind, frames }) => kind !== "video" || frames === framesSeen),
    stream: {
      id,
      slug,
      ingestProtocol: "rtmp",
      ingestNode: ingest?.node ?? "",
      sourceCodec: stream.source?.video?.codec ?? "",
      width: stream.source?.video?.width ?? 0,
      height: stream.source?.video?.height ?? 0,
      framesSeen,
    },
    renditions,
    playback: {
      hls: outcome.playback.primary.hls,
      fallback: outcome.playback.fallback?.hls ?? null,
      page: `${network.clusterUrl}${playbackUrl}`,
    },
    jobs: jobs.flatMap((job) => describeAttempts(job, receipts)),
    payments: channels.map(({ payer, payee, token, vouchered, collected, collectTransaction }) => ({
      payer,
      payee,
      token,
      vouchered,
      collected,
      transaction: collectTransaction ?? null,
    })),
    loss: await describeLoss(network, channels),
    timings: outcome.timings,
    memory: { peakPssBytes: outcome.peakPssBytes },
    processes: [...network.pids].map(([name, pid]) => ({ name, pid, node: network.addressOf(name) ?? null })),
  };
}

function describeRenditions(
  renditions: Awaited<ReturnType<typeof getStream>>["renditions"],
  jobs: readonly JobInfo[],
  viewed: Viewed | undefined,
  ingestNode: string,
): DemoRendition[] {
  return renditions.map(({ name, kind, codec, width, height, family }) => {
    const seen = viewed?.rungs.find((rung) => rung.name === name);
    // Audio is encoded where the stream comes in; each video family is one job.
    const maker = jobs.find(({ part }) => part === family)?.attempts.at(-1)?.node;
    return {
      name,
      kind,
      codec,
      width: width ?? null,
      height: height ?? null,
      segments: seen?.segments ?? 0,
      frames: seen?.frames ?? 0,
      node: kind === "audio" ? ingestNode : (maker ?? ""),
    };
  });
}

async function readAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function describeAttempts({ job, primitive, attempts }: JobInfo, receipts: readonly ReceiptInfo[]): DemoJob[] {
  return attempts.map(({ attempt, node, selection, checked, failed }) => ({
    job,
    attempt,
    primitive,
    node,
    selectionReceipt: selection,
    segments: receipts.filter((receipt) => receipt.job === job && receipt.attempt === attempt).length,
    checked,
    failed,
    proven: primitive !== "ingest" && checked > 0,
  }));
}

async function describeLoss(network: LocalNetwork, channels: readonly ToldChannel[]): Promise<DemoReport["loss"]> {
  const { chain, economy } = network;
  const client = createClient({ rpcUrl: chain.rpcUrl, deployment: economy.deployment });
  return Promise.all(
    channels.map(async ({ payee, payer, token, largestUnpaidExact }) => {
      const decimals = await getDecimals(client, toAddress(token));
      return { payee, payer, token, largestUnpaid: toBaseUnits(BigInt(largestUnpaidExact), decimals).toString() };
    }),
  );
}
