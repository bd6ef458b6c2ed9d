import { setTimeout as sleep } from "node:timers/promises";
import { randomFrom } from "../../../../test/support/seeded-random.ts";
import { WebrtcClient } from "../../../../test/support/webrtc-client.ts";
import { HlsCrowd } from "../hls-crowd.ts";
import { connectWhep } from "../whep-connection.ts";

/** Viewers that come and go, as a process of their own. Argument: JSON of `SoakCrowdArguments`; told `SoakCrowdMessage`. */
export interface SoakCrowdArguments {
  readonly hlsViewers: number;
  readonly whepViewers: number;
}

/** Master playlists of what is on air now, or that it is over. */
export type SoakCrowdMessage = { readonly urls: readonly string[] } | "stop";

/** How long one watches. */
const [LEAST_MS, MOST_MS] = [3_000, 20_000];
const RETRY_MS = 1_000;
const CONNECT_LIMIT_MS = 10_000;

const { hlsViewers, whepViewers } = JSON.parse(process.argv[2]!) as SoakCrowdArguments;
const random = randomFrom();
const over = new AbortController();
const visits = { hls: 0, whep: 0, inVain: 0 };
let urls: readonly string[] = [];

process.on("message", (message: SoakCrowdMessage) => {
  if (message === "stop") over.abort();
  else urls = message.urls;
});
process.on("disconnect", () => process.exit());
await Promise.all([
  ...Array.from({ length: hlsViewers }, () => keepComing("hls", watchHls)),
  ...Array.from({ length: whepViewers }, () => keepComing("whep", watchWhep)),
]);
process.send!(visits, () => process.exit());

/** One seat: whoever leaves is followed by another, mostly at another stream. */
async function keepComing(way: "hls" | "whep", watch: (url: string, forMs: number) => Promise<void>): Promise<void> {
  while (!over.signal.aborted) {
    const url = urls[Math.floor(random.next() * urls.length)];
    const forMs = LEAST_MS + random.next() * (MOST_MS - LEAST_MS);
    try {
      if (url === undefined) throw new Error("nothing is on air");
      await watch(url, forMs);
      visits[way] += 1;
    } catch {
      // The stream may have ended since.
      visits.inVain += 1;
      await sleep(RETRY_MS);
    }
  }
}

async function watchHls(url: string, forMs: number): Promise<void> {
  const crowd = new HlsCrowd(url);
  await crowd.join();
  await sleep(forMs, undefined, { signal: over.signal }).catch(() => {});
  await crowd.leave();
}

async function watchWhep(url: string, forMs: number): Promise<void> {
  const client = new WebrtcClient("RecvOnly");
  try {
    const late = sleep(CONNECT_LIMIT_MS).then(() => Promise.reject(new Error("never connected")));
    await Promise.race([connectWhep(client, new URL("whep", url).href), late]);
    await sleep(forMs, undefined, { signal: over.signal }).catch(() => {});
  } finally {
    client.close();
  }
}
