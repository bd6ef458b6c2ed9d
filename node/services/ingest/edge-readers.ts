import type { MediaConnection, SubscribeMessage, Wish } from "@leat/node/wire/media/message.ts";
import { type EdgeSource, serveEdge } from "../jobs/edge-link.ts";

/** Edges that read a stream at its origin now, and what their viewers need. */
export class EdgeReaders {
  readonly #onWish: (rungs: ReadonlySet<number>) => void;
  readonly #running = new Set<Promise<void>>();
  readonly #wishes = new Map<MediaConnection, Wish>();
  #isHurried = false;

  /** `onWish`: the rungs that some viewer follows, of those that are not made without one. */
  constructor(onWish: (rungs: ReadonlySet<number>) => void) {
    this.#onWish = onWish;
  }

  /** Somebody sees each picture as it comes, or waits for the next part. */
  get isHurried(): boolean {
    return this.#isHurried;
  }

  /** Each ends when its edge has left. */
  get running(): ReadonlySet<Promise<void>> {
    return this.#running;
  }

  /** Serves one edge until it leaves. */
  async serve(
    connection: MediaConnection,
    subscribe: SubscribeMessage,
    source: Omit<EdgeSource, "onWish">,
    signal: AbortSignal,
  ): Promise<void> {
    const onWish = (wish: Wish) => this.#hear(connection, wish);
    const served = serveEdge(connection, subscribe, { ...source, onWish }, signal);
    this.#running.add(served);
    try {
      await served;
    } finally {
      this.#running.delete(served);
      this.#hear(connection, undefined);
    }
  }

  #hear(connection: MediaConnection, wish: Wish | undefined): void {
    if (wish === undefined) this.#wishes.delete(connection);
    else this.#wishes.set(connection, wish);
    const wishes = [...this.#wishes.values()];
    this.#isHurried = wishes.some(({ hurry }) => hurry);
    this.#onWish(new Set(wishes.flatMap(({ rungs }) => rungs)));
  }
}
