import type { Clock } from "@leat/node/kernel/clock.ts";
import type { LiveFrames } from "@leat/node/media/live-frames.ts";
import type { MediaConnection, MediaMessage, SubscribeMessage, Wish } from "@leat/node/wire/media/message.ts";
import { OwnAccepted } from "./own-accepted.ts";
import { ALIVE_MS } from "./progress-count.ts";

/** What an edge is served from: a stream's origin, or another edge of it. */
export interface EdgeSource {
  readonly clock: Clock;
  read(fromSequence: number, signal: AbortSignal): AsyncIterable<MediaMessage>;
  /** Whether this node is itself in touch with the stream: an edge leaves one that is not. */
  isAlive(): boolean;
  /** What the edge's viewers need now. */
  onWish(wish: Wish): void;
  /** An edge is to hear how far the stream is: of its origin, which says it to all of them. */
  onBeat?(): void;
  /** For an edge of this process, which follows frames here: `read` gives it none, and it knows that this node is there. */
  readonly frames?: LiveFrames | undefined;
}

/**
 * Serves one edge: what is kept from the segment it asks for, then live segments, then the end. Each edge reads at its
 * own pace; one that is too far behind goes on with the newest segment.
 */
export async function serveEdge(
  connection: MediaConnection,
  subscribe: SubscribeMessage,
  source: EdgeSource,
  signal: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const until = AbortSignal.any([signal, gone.signal]);
  // Whatever else an edge says after its subscription is of no interest; that it leaves is.
  const listening = (async () => {
    for await (const message of connection.messages) if (message.type === "wish") source.onWish(message);
  })()
    .catch(() => {})
    .finally(() => gone.abort());
  const sender = new Sender(connection);
  const over = new AbortController();
  const beating = source.frames === undefined ? sender.beat(source, AbortSignal.any([until, over.signal])) : undefined;
  try {
    await sender.send(source.frames === undefined ? { type: "accepted" } : new OwnAccepted(source.frames));
    for await (const message of source.read(subscribe.fromSequence, until)) await sender.send(message);
    over.abort();
    await sender.send({ type: "end", code: "STREAM_ENDED" });
    await connection.close();
    await listening;
  } catch (error) {
    connection.abort(error instanceof Error ? error : new Error("edge link failed"));
    await listening;
    if (!until.aborted) throw error;
  } finally {
    over.abort();
    await beating;
  }
}

/** Knows whether anything was sent of late, or is still being sent. */
class Sender {
  readonly #connection: MediaConnection;
  #sending = 0;
  #sent = 0;

  constructor(connection: MediaConnection) {
    this.#connection = connection;
  }

  async send(message: MediaMessage): Promise<void> {
    this.#sending += 1;
    try {
      await this.#connection.send(message);
    } finally {
      this.#sending -= 1;
      this.#sent += 1;
    }
  }

  /** Says that the holder is there, whenever it says nothing else. Resolves after the abort. */
  async beat(source: EdgeSource, signal: AbortSignal): Promise<void> {
    let before = this.#sent;
    while (!signal.aborted) {
      await source.clock.sleep(ALIVE_MS, signal).catch(() => {});
      if (signal.aborted) return;
      source.onBeat?.();
      // A link that is broken is told by who sends the stream.
      if (this.#sending === 0 && this.#sent === before && source.isAlive())
        await this.send({ type: "alive" }).catch(() => {});
      before = this.#sent;
    }
  }
}
