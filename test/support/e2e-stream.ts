import { buyerOf, createSoon } from "../../scripts/network/demo.ts";
import type { NodeName } from "../../scripts/network/layout.ts";
import type { LocalNetwork } from "../../scripts/network/local-network.ts";
import { RungViewer } from "../../scripts/network/viewer.ts";
import { type ApiCaller, type CreatedStream, type JobInfo, listJobs } from "../../sdk/client/actions/streams.ts";
import { getPlayback, type Playback, WatchError } from "../../sdk/client/actions/watch.ts";
import { toAddress } from "../../sdk/protocol/hex.ts";
import type { LadderRequest } from "../../sdk/protocol/job.ts";
import type { MediaInput } from "../../transcoder/tools/media-item.ts";
import { type Publisher, type PublishOptions, publish } from "../../transcoder/tools/publisher.ts";
import { fetchText, segmentsOf } from "./hls-judge.ts";

export interface StreamStart {
  readonly ladder: LadderRequest;
  readonly passthrough?: boolean;
  readonly inputs: readonly MediaInput[];
  readonly token?: "USDC" | "LPT";
  /** Ingest nodes to try, in this order. Default: as the balancer ranked them. */
  readonly at?: readonly NodeName[];
  readonly publish?: Pick<PublishOptions, "loop" | "reconnect" | "realtime">;
}

/** More than any test serves. */
const unsignedBudgetBytes = 1_000_000_000n;
const lookMs = 200;

/** One stream of a test: its publisher, its viewers, and what the cluster tells of it. */
export class TestStream {
  readonly created: CreatedStream;
  readonly publisher: Publisher;
  readonly caller: ApiCaller;
  readonly #network: LocalNetwork;
  readonly #viewers = new AbortController();

  private constructor(network: LocalNetwork, caller: ApiCaller, created: CreatedStream, publisher: Publisher) {
    this.#network = network;
    this.caller = caller;
    this.created = created;
    this.publisher = publisher;
  }

  static async start(network: LocalNetwork, start: StreamStart): Promise<TestStream> {
    const caller = buyerOf(network);
    const request = {
      ladder: start.ladder,
      ...(start.passthrough === undefined ? {} : { passthrough: start.passthrough }),
      token: network.economy.deployment.tokens[start.token ?? "USDC"],
      unsignedBudgetBytes,
    };
    // A node that was just started is offered once it has told the balancer of itself.
    const created = await waitFor(`an ingest URL at ${start.at}`, 20_000, async () => {
      const one = await createSoon(caller, request);
      return (start.at ?? []).every((name) => one.ingestUrls.some((url) => nodeAt(network, url) === name))
        ? one
        : undefined;
    });
    const urls = urlsAt(network, created, start.at);
    return new TestStream(network, caller, created, publish({ urls, inputs: start.inputs, ...start.publish }));
  }

  /** Where it plays, once `edges` edges answer. */
  playback(edges = 2, limitMs = 60_000): Promise<Playback> {
    return whenPlayable(this.#network, this.created, { edges, limitMs });
  }

  /** Plays every rung of an edge as ordinary viewers; resolves when its playlists have ended. */
  async view(hls: string, limitMs = 120_000): Promise<void> {
    const viewer = new RungViewer(hls);
    await within(limitMs, viewer.run(this.#viewers.signal), `the end of ${hls}`);
  }

  jobs(): Promise<readonly JobInfo[]> {
    return listJobs(this.caller, this.created.id);
  }

  /** Where the newest attempt of a job is: `ingest`, a codec family, `primary` or `fallback`. */
  async nodeOf(part: string): Promise<NodeName> {
    const job = (await this.jobs()).find((one) => one.part === part);
    const name = this.#network.nameOf(toAddress(job?.attempts.at(-1)?.node ?? ""));
    if (name === undefined) throw new Error(`no node does ${part}`);
    return name;
  }

  async close(): Promise<void> {
    this.#viewers.abort();
    this.publisher.kill();
    await this.publisher.done.catch(() => undefined);
  }
}

/** The node behind a URL that it serves. */
export function nodeAt(network: LocalNetwork, url: string): NodeName {
  const { port } = new URL(url);
  const name = (["balancer", "node-a", "node-b", "node-c"] as const).find((one) => {
    const { httpPort, rtmpPort } = network.place(one);
    return [httpPort, rtmpPort].includes(Number(port));
  });
  if (name === undefined) throw new Error(`no node stands at port ${port}`);
  return name;
}

/** Where a stream plays, once `edges` edges answer: one that was just given it says that it is not ready yet. */
export function whenPlayable(
  network: LocalNetwork,
  { slug }: Pick<CreatedStream, "slug">,
  { edges = 1, limitMs = 60_000 } = {},
): Promise<Playback> {
  return waitFor("the stream to be playable", limitMs, async () => {
    const playback = await getPlayback(network, slug);
    const all = [playback.primary, playback.fallback].filter((edge) => edge !== null).slice(0, edges);
    if (all.length < edges) return undefined;
    const answers = await Promise.all(all.map(({ hls }) => fetch(hls)));
    return answers.every(({ ok }) => ok) ? playback : undefined;
  });
}

/** Resolves when every playlist of an edge lists a segment of at least this number. */
export function whenListed(masterUrl: string, sequence: number, limitMs = 60_000): Promise<void> {
  return waitFor(`segment ${sequence} in every playlist`, limitMs, async () => {
    const master = await fetchText(masterUrl);
    const uris = master.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const lists = await Promise.all(uris.map((uri) => fetchText(new URL(uri, masterUrl).href)));
    const reached = lists.every((list) => segmentsOf(list).some((segment) => segment.sequence >= sequence));
    return uris.length > 0 && reached ? true : undefined;
  }).then(() => undefined);
}

/** Looks until `probe` finds something. What cannot be reached yet is looked at again. */
export async function waitFor<T>(what: string, limitMs: number, probe: () => Promise<T | undefined>): Promise<T> {
  const untilMs = Date.now() + limitMs;
  let last: unknown;
  while (Date.now() < untilMs) {
    try {
      const found = await probe();
      if (found !== undefined) return found;
      last = undefined;
    } catch (error) {
      if (!(error instanceof WatchError || error instanceof TypeError || isUnanswered(error))) throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  throw new Error(`waited ${limitMs} ms in vain for ${what}`, { cause: last });
}

export async function within<T>(limitMs: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain for ${what}`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const isUnanswered = (error: unknown) => error instanceof Error && / answered \d+$/.test(error.message);

function urlsAt(network: LocalNetwork, { ingestUrls }: CreatedStream, at: StreamStart["at"]): readonly string[] {
  if (at === undefined) return ingestUrls;
  return at.map((name) => ingestUrls.find((url) => nodeAt(network, url) === name)!);
}
