import type { Clock } from "@leat/node/kernel/clock.ts";
import { findOnWish } from "@leat/node/media/playable.ts";
import type { Wish } from "@leat/node/wire/media/message.ts";
import type { EdgeFeed } from "./edge-feed.ts";
import type { EdgeStream } from "./edge-stream.ts";
import { DeliveryError } from "./errors.ts";
import { HolderWishes } from "./holder-wishes.ts";

export interface ViewerWishesParts {
  readonly stream: EdgeStream;
  readonly clock: Clock;
  /** Steps to the origin. */
  readonly depth: number;
  /** What viewers at other edges that are fed need. */
  readonly feed: Pick<EdgeFeed, "isWished" | "isHurried">;
}

/**
 * What viewers need of the origin, here or at an edge that is fed: what is made for viewers only, as long as there are
 * some, and that it loses no time.
 */
export class ViewerWishes {
  readonly #parts: ViewerWishesParts;
  /** Undefined while there is no holder to tell. */
  #holder: HolderWishes | undefined;
  /** Rungs that the origin itself did not bring when they were wished for, with the newest segment of each by then. */
  readonly #unmade = new Map<number, number>();

  constructor(parts: ViewerWishesParts) {
    this.#parts = parts;
  }

  /** A holder is asked now. `tell` never rejects. */
  begin(tell: (wish: Wish) => Promise<void>): void {
    this.#holder = new HolderWishes(this.#parts.stream, this.#parts.clock, tell);
    this.look();
  }

  /** It is gone. */
  end(): void {
    this.#holder = undefined;
  }

  /** Tells the holder what they need now. */
  look(): void {
    const { stream, feed } = this.#parts;
    const rungs = findOnWish(stream.window.renditions)
      .map(({ rung }) => rung)
      .filter((rung) => stream.frames.isFollowed(rung) || feed.isWished(rung));
    this.#holder?.set({ rungs, hurry: stream.isHurried || feed.isHurried });
  }

  /**
   * Heartbeats tell of no rung that is made on wish alone: who keeps one back is left, unless its origin brings none.
   * @throws DELIVERY_RUNG_WITHHELD
   */
  require(isOrigin: boolean): void {
    const { stream, depth } = this.#parts;
    const standing = this.#holder?.standing(depth) ?? [];
    if (isOrigin) {
      for (const rung of standing) this.#unmade.set(rung, stream.newestOf(rung));
      return;
    }
    const rung = standing.find((wished) => this.#unmade.get(wished) !== stream.newestOf(wished));
    if (rung !== undefined) throw new DeliveryError({ code: "DELIVERY_RUNG_WITHHELD", rung });
  }
}
