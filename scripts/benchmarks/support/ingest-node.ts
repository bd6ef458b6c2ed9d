import { createStream } from "@leat/sdk/client/actions/streams.ts";
import { getPlayback } from "@leat/sdk/client/actions/watch.ts";
import type { TestNetwork } from "../../../test/support/e2e-network.ts";
import { nodeAt, waitFor } from "../../../test/support/e2e-stream.ts";
import { buyerOf } from "../../network/demo.ts";
import type { IngestServer } from "./ingest-server.ts";

/** Takes everything in, and serves all of it. */
export const NODE = "node-a";
const WAIT_MS = 60_000;

/** Roles of each node here: one does all that the peers do, and the others stand by. */
const roles: Readonly<Record<string, readonly string[]>> = {
  [NODE]: ["ingest", "delivery"],
  "node-b": ["transcode"],
  "node-c": ["transcode"],
};

export function adjust(name: string, config: Record<string, unknown>): Record<string, unknown> {
  const node = config.node as Record<string, unknown>;
  // What it offers to take is not what is measured here.
  const jobs = { capacity: { ingestStreams: 256, deliveryBytesPerSecond: 10_000_000_000 } };
  return roles[name] === undefined ? config : { ...config, jobs, node: { ...node, roles: roles[name] } };
}

/** One node of a network, with streams that are delivered as they come in. */
export function ingestNode(network: TestNetwork): IngestServer {
  const slugs: string[] = [];
  return {
    name: "leat",
    pid: network.pids.get(NODE)!,
    async urls(count) {
      const token = network.economy.deployment.tokens.USDC;
      const request = { ladder: [], passthrough: true, token, unsignedBudgetBytes: 1_000_000_000n };
      const urls: string[] = [];
      while (urls.length < count) {
        // A node that was just started is offered once it has told the balancer of itself.
        const { slug, ingestUrls } = await waitFor(`a stream at ${NODE}`, WAIT_MS, async () => {
          const one = await createStream(buyerOf(network), request).catch(() => undefined);
          return one?.ingestUrls.some((url) => nodeAt(network, url) === NODE) ? one : undefined;
        });
        slugs.push(slug);
        urls.push(ingestUrls.find((url) => nodeAt(network, url) === NODE)!);
      }
      return urls;
    },
    async offered() {
      for (const slug of slugs) {
        await waitFor(`${slug} to be playable`, WAIT_MS, async () => {
          const { primary } = await getPlayback(network, slug);
          return (await fetch(primary.hls)).ok || undefined;
        });
      }
    },
    stop: async () => {},
  };
}
