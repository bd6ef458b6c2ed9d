import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import type { MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { FakeBalancer } from "./fake-balancer.ts";
import { MediaNode, type NodeFaults } from "./media-network.ts";
import { at } from "./media-path-scene.ts";
import { publishInfo, publishItems, until } from "./publish-items.ts";

/** A process that stands still for a moment leaves nobody for it. */
export const calmDelivery = { silenceMs: 20_000, holderWaitMs: 20_000, behindMs: 20_000 };
export const fps = 10;
const pattern = { width: 160, height: 120, fps, durationS: 12, keyframeEveryS: 2, bFrames: 0 };

/** A source that is delivered as it comes, at an origin and edges that a test names parents for. */
export function useEdgeTree(changes: { readonly audio?: false } = {}) {
  const nodes: MediaNode[] = [];
  let items: readonly MediaItem[];

  before(async () => {
    items = await readMedia({ pattern: { ...pattern, ...changes } });
  });

  beforeEach(() => {
    scene.balancer = new FakeBalancer([], { passthrough: true });
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  const scene = {
    balancer: new FakeBalancer([], { passthrough: true }),

    async startNode(faults: NodeFaults = {}): Promise<MediaNode> {
      // Each edge asks the origin whether it is over, after the one above it did.
      const node = new MediaNode(scene.balancer, {
        ...{ ingestOptions: { lingerMs: 20_000 }, ...faults },
        deliveryOptions: { ...calmDelivery, ...faults.deliveryOptions },
      });
      nodes.push(node);
      await node.start();
      return node;
    },

    /** The stream's first `seconds`, at a new connection. */
    async begin(node: MediaNode, seconds: number): Promise<PublishSink> {
      const sink = await node.ingest.authorize(scene.balancer.streamKey, publishInfo());
      await publishItems(sink, items.slice(0, at(items, seconds * fps)));
      await scene.balancer.until(() => scene.balancer.renditions.length > 0);
      return sink;
    },

    publish(sink: PublishSink, fromSeconds: number, toSeconds: number): Promise<void> {
      return publishItems(sink, items.slice(at(items, fromSeconds * fps), at(items, toSeconds * fps)));
    },

    async publishRest(sink: PublishSink, fromSeconds: number): Promise<void> {
      await publishItems(sink, items.slice(at(items, fromSeconds * fps)));
      await sink.end({ clean: true });
    },

    /** An edge of the stream, below these; resolves once somebody serves it. */
    async watch(edge: MediaNode, parents: readonly MediaNode[] = []): Promise<EdgeStream> {
      const { balancer } = scene;
      const spec = { ...balancer.deliverySpec(), parents: parents.map((parent) => balancer.originOf(parent)) };
      await balancer.assign(edge, spec as never);
      await balancer.until(() => scene.holders(edge).length > 0);
      return edge.delivery.findStream(balancer.slug)!;
    },

    /** From whom it had its stream, in turn. */
    holders: (edge: MediaNode) =>
      scene.balancer.of("edge.holder").flatMap(({ node, body }) => (node === edge ? [body.holder] : [])),

    /** Whom it could not have it from, and why, in turn. */
    failures: (edge: MediaNode) =>
      scene.balancer
        .of("edge.holder")
        .flatMap(({ node, body }) => (node === edge ? body.failed.map((failed) => [failed.node, failed.code]) : [])),

    ended: (streams: readonly EdgeStream[]) => until(() => streams.every(({ window }) => window.ended)),
    parts,
    /** What the origin signed for, in order. */
    published: () =>
      scene.balancer
        .of("receipt.submit")
        .filter(({ body }) => body.kind === "ingest")
        .flatMap(({ body }) => body.leaves.filter(({ rung }) => rung === SOURCE_RUNG).map(({ sha256 }) => sha256)),
  };
  return scene;
}

/** Every part of the picture that an edge serves, in order. */
function parts({ window }: EdgeStream): string[] {
  return window.held(SOURCE_RUNG).flatMap((segment) => segment.parts.map(({ sha256 }) => sha256));
}

/** A connection of which `change` makes what goes out; undefined is kept back. */
export function between(
  connection: MediaConnection,
  change: (message: MediaMessage) => MediaMessage | undefined,
): MediaConnection {
  return {
    remoteAddress: connection.remoteAddress,
    messages: connection.messages,
    ended: connection.ended,
    send: async (message) => {
      const changed = change(message);
      if (changed !== undefined) await connection.send(changed);
    },
    close: () => connection.close(),
    abort: (error) => connection.abort(error),
  };
}
