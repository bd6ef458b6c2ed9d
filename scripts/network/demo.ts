import { setInterval } from "node:timers";
import { readTreePssBytes } from "@leat/node/kernel/process-load.ts";
import {
  type ApiCaller,
  ApiError,
  type CreatedStream,
  createStream,
  type StreamRequest,
} from "@leat/sdk/client/actions/streams.ts";
import { getPlayback, type Playback, WatchError } from "@leat/sdk/client/actions/watch.ts";
import { createClient } from "@leat/sdk/client/create-client.ts";
import type { LadderRequest } from "@leat/sdk/protocol/job.ts";
import type { MediaInput } from "@leat/transcoder/tools/media-item.ts";
import { type PublishReport, publish } from "@leat/transcoder/tools/publisher.ts";
import type { LocalNetwork } from "./local-network.ts";
import { NetworkError } from "./options.ts";
import type { DemoReport } from "./report.ts";
import { writeReport } from "./report-writer.ts";
import { whenSettled } from "./settled.ts";
import { RungViewer } from "./viewer.ts";

export const demoLadder: LadderRequest = [
  { name: "480p", codec: "h264", height: 480, videoBitrate: 1_200_000, audioBitrate: 128_000 },
  { name: "240p", codec: "h264", height: 240, videoBitrate: 400_000, audioBitrate: 96_000 },
  { name: "360p-vp9", codec: "vp9", height: 360, videoBitrate: 700_000, audioBitrate: 96_000 },
  { name: "240p-vp9", codec: "vp9", height: 240, videoBitrate: 350_000, audioBitrate: 96_000 },
];

/** What is published when no file was given. */
export const demoPattern: MediaInput = {
  pattern: { width: 854, height: 480, fps: 30, durationS: 12 },
};

const lookMs = 200;
/** More than every rung of a demo weighs: the buyer pays for viewers that sign nothing. */
const unsignedBudgetBytes = 1_000_000_000n;
/** A demo that moves nothing for so long has failed. */
const stallMs = 60_000;

export interface DemoInput {
  readonly inputs: readonly MediaInput[];
  readonly token: "USDC" | "LPT";
  readonly startedAtMs: number;
  readonly readyMs: number;
  readonly onStep: (step: string) => void;
}

/** Publishes, plays every rung from both edges, waits until all is checked and paid, and reports. */
export async function runDemo(network: LocalNetwork, input: DemoInput): Promise<DemoReport> {
  const { onStep } = input;
  const caller = buyerOf(network);
  const peak = new PeakMemory(network);
  const viewers = new AbortController();
  try {
    const stream = await createSoon(caller, {
      ladder: demoLadder,
      token: network.economy.deployment.tokens[input.token],
      unsignedBudgetBytes,
    });
    onStep(`stream ${stream.slug}, playing at ${network.clusterUrl}${stream.playbackUrl}`);
    const publisher = publish({ urls: stream.ingestUrls, inputs: input.inputs });
    const publishedAtMs = Date.now();
    const done = withoutRejection(publisher.done);
    const playback = await waitForPlayback(network, stream, done, stallMs);
    onStep(`delivered by ${playback.primary.hls}`);
    const edges = [playback.primary, playback.fallback].filter((edge) => edge !== null);
    const watching = edges.map(({ hls }) => new RungViewer(hls));
    const watched = Promise.all(watching.map((viewer) => viewer.run(viewers.signal)));
    const published = unwrap(await done);
    const endedAtMs = Date.now();
    onStep(`published ${published.videoFrames} frames`);
    await before(stallMs, watched, "the edges did not end the stream");
    onStep(`played ${watching.reduce((sum, { viewed }) => sum + viewed.segments, 0)} segments`);
    const unsettled = await whenSettled(network, caller, stream.id, stallMs);
    if (unsettled !== undefined) throw new NetworkError({ code: "UP_DEMO_FAILED", reason: unsettled });
    const settledAtMs = Date.now();
    onStep("checked, vouchered and collected");
    const playable = watching.flatMap(({ viewed }) => viewed.firstSegmentAtMs ?? []);
    return await writeReport(network, caller, {
      stream,
      playback,
      published,
      viewed: watching.map(({ viewed }) => viewed),
      peakPssBytes: peak.bytes,
      timings: {
        readyMs: input.readyMs,
        firstSegmentMs: playback.foundAtMs - publishedAtMs,
        firstRenditionPlayableMs: playable.length === 0 ? undefined : Math.min(...playable) - publishedAtMs,
        publishedMs: endedAtMs - publishedAtMs,
        settledMs: settledAtMs - publishedAtMs,
      },
    });
  } finally {
    viewers.abort();
    peak.stop();
  }
}

/** Signs with the agent's key, in the name of the account that pays, as `leat stream create` does. */
export function buyerOf(network: LocalNetwork): ApiCaller {
  const client = createClient({
    rpcUrl: network.chain.rpcUrl,
    deployment: network.economy.deployment,
    clusterUrl: network.clusterUrl,
  });
  const { address, signer } = network.key("buyer");
  return {
    client,
    cluster: network.economy.cluster,
    signer,
    ...(network.buyer === address ? {} : { account: network.buyer }),
  };
}

/** What a cluster says whose nodes have not told of themselves: nobody takes streams in, or encodes what is asked for. */
const earlyReasons: readonly string[] = ["PLACEMENT_NOBODY", "LADDER_CODEC_UNSOLD"];

/**
 * Creates a stream as soon as a node takes it: one that just started is not offered before it has told the balancer of
 * itself, nor while starting keeps it busy.
 */
export async function createSoon(caller: ApiCaller, request: StreamRequest): Promise<CreatedStream> {
  const untilMs = Date.now() + stallMs;
  for (;;) {
    try {
      return await createStream(caller, request);
    } catch (error) {
      const reason = error instanceof ApiError && "reason" in error.detail ? error.detail.reason : undefined;
      if (reason === undefined || !earlyReasons.includes(reason) || Date.now() > untilMs) throw error;
    }
    await pause(lookMs);
  }
}

type Ended = { readonly report: PublishReport } | { readonly error: unknown };

async function waitForPlayback(
  network: LocalNetwork,
  { slug }: CreatedStream,
  done: Promise<Ended>,
  limitMs: number,
): Promise<Playback & { readonly foundAtMs: number }> {
  let ended: Ended | undefined;
  void done.then((how) => {
    ended = how;
  });
  const untilMs = Date.now() + limitMs;
  while (Date.now() < untilMs) {
    if (ended !== undefined && "error" in ended) throw ended.error;
    try {
      const playback = await getPlayback({ clusterUrl: network.clusterUrl }, slug);
      const both = playback.fallback !== null || playback.state === "ended";
      if (both && (await fetch(playback.primary.hls)).ok) return { ...playback, foundAtMs: Date.now() };
    } catch (error) {
      if (!(error instanceof WatchError) && !(error instanceof TypeError)) throw error;
    }
    await pause(lookMs);
  }
  throw new NetworkError({ code: "UP_DEMO_FAILED", reason: "the stream did not become playable" });
}

async function before<T>(limitMs: number, work: Promise<T>, reason: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NetworkError({ code: "UP_DEMO_FAILED", reason })), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function withoutRejection(done: Promise<PublishReport>): Promise<Ended> {
  return done.then(
    (report) => ({ report }),
    (error: unknown) => ({ error }),
  );
}

function unwrap(ended: Ended): PublishReport {
  if ("error" in ended) throw ended.error;
  return ended.report;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks once a second at what all processes of the network hold. */
class PeakMemory {
  bytes = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(network: LocalNetwork) {
    this.#timer = setInterval(() => void this.#look(network), 1_000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(network: LocalNetwork): Promise<void> {
    const sizes = await Promise.all([...network.pids.values()].map(readTreePssBytes));
    this.bytes = Math.max(
      this.bytes,
      sizes.reduce((sum, size) => sum + size, 0),
    );
  }
}
