import type { DescriptionMessage, MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { PublishedLog } from "./published-log.ts";

/**
 * Serves one edge: what is kept from the segment it asks for, then live segments, then the end. Each edge reads at its
 * own pace; one that falls behind what is kept is cut off and may come again.
 */
export async function serveEdge(
  connection: MediaConnection,
  subscribe: SubscribeMessage,
  source: {
    readonly published: PublishedLog;
    /** The origin's own node, which reaches itself within its process. */
    readonly self: Address;
    readonly description: () => DescriptionMessage;
    readonly endCode: () => string;
    /** The edge has viewers of these rungs now. */
    readonly onWish: (rungs: readonly number[]) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const until = AbortSignal.any([signal, gone.signal]);
  // Whatever else an edge says after its subscription is of no interest; that it leaves is.
  const listening = (async () => {
    for await (const message of connection.messages) if (message.type === "wish") source.onWish(message.rungs);
  })()
    .catch(() => {})
    .finally(() => gone.abort());
  try {
    await connection.send({ type: "accepted" });
    await connection.send(source.description());
    const isOwn = connection.remoteAddress === source.self;
    for await (const message of source.published.readFrom(subscribe.fromSequence, until, isOwn))
      await connection.send(message);
    await connection.send({ type: "end", code: source.endCode() });
    await connection.close();
    await listening;
  } catch (error) {
    connection.abort(error instanceof Error ? error : new Error("edge link failed"));
    await listening;
    if (!until.aborted) throw error;
  }
}
