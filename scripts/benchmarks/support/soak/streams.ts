import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { endStream, getStream } from "@leat/sdk/client/actions/streams.ts";
import { getPlayback } from "@leat/sdk/client/actions/watch.ts";
import type { LadderRequest } from "@leat/sdk/protocol/job.ts";
import type { TestNetwork } from "../../../../test/support/e2e-network.ts";
import { waitFor } from "../../../../test/support/e2e-stream.ts";
import { buyerOf, createSoon } from "../../../network/demo.ts";

const ladder: LadderRequest = [
  { name: "144p", codec: "h264", height: 144, videoBitrate: 150_000, audioBitrate: 48_000 },
];
const PLAYABLE_MS = 120_000;
const RETRY_MS = 1_000;

/** One stream on air: a publisher that comes back where it is turned away, until the stream ends. */
export class SoakStream {
  readonly masterUrl: string;
  readonly #publisher: Promise<void>;
  readonly #end: () => Promise<unknown>;
  readonly #over: AbortController;

  private constructor(masterUrl: string, publisher: Promise<void>, over: AbortController, end: () => Promise<unknown>) {
    this.masterUrl = masterUrl;
    this.#publisher = publisher;
    this.#over = over;
    this.#end = end;
  }

  /** Resolves once it can be played. @param file FLV, sent over and over. */
  static async start(network: TestNetwork, file: string): Promise<SoakStream> {
    const token = network.economy.deployment.tokens.USDC;
    const caller = buyerOf(network);
    const created = await createSoon(caller, { ladder, token, unsignedBudgetBytes: 100_000_000_000n });
    const over = new AbortController();
    const urls = created.ingestUrls.filter((url) => url.startsWith("rtmp:"));
    const publisher = keepPublishing(file, urls, over.signal);
    try {
      const { primary } = await waitFor("the stream to be playable", PLAYABLE_MS, async () => {
        const playback = await getPlayback(network, created.slug);
        return (await fetch(playback.primary.hls)).ok ? playback : undefined;
      });
      return new SoakStream(primary.hls, publisher, over, () => endStream(caller, created.id));
    } catch (error) {
      over.abort();
      await publisher;
      const { refusals } = await getStream(caller, created.id);
      throw new Error(`a stream was not on air in time: ${JSON.stringify(refusals)}`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#publisher;
    await this.#end();
  }
}

/** At one node after the other: one with much to do turns it away. */
async function keepPublishing(file: string, urls: readonly string[], over: AbortSignal): Promise<void> {
  const flags = ["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", file, "-c", "copy", "-f", "flv"];
  for (let tries = 0; !over.aborted; tries += 1) {
    const child: ChildProcess = spawn("ffmpeg", [...flags, urls[tries % urls.length]!], { stdio: "ignore" });
    const exited = once(child, "exit");
    const stop = () => void child.kill("SIGKILL");
    over.addEventListener("abort", stop, { once: true });
    await exited;
    over.removeEventListener("abort", stop);
    await sleep(RETRY_MS, undefined, { signal: over }).catch(() => {});
  }
}
