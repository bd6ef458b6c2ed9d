import type { Clock } from "@leat/node/kernel/clock.ts";
import { NewestOnly } from "@leat/node/kernel/newest-only.ts";
import type { Wish } from "@leat/node/wire/media/message.ts";
import type { EdgeStream } from "./edge-stream.ts";

interface Since {
  readonly sinceMs: number;
  /** The newest segment of any rung by then. */
  readonly newest: number;
}

/** A wish passes every node up to the origin, which begins to make the rung, within less. */
const STEP_MS = 5_000;
/** What is on its way, and what whoever stands between needs to leave a holder of its own first. */
const STEP_SEGMENTS = 2;

/** What a holder is told that viewers wish for, and whether it brings that. One for each connection. */
export class HolderWishes {
  readonly #stream: Pick<EdgeStream, "newest" | "newestOf">;
  readonly #clock: Clock;
  readonly #toHolder: NewestOnly<Wish>;
  readonly #wishes = new Map<number, Since>();
  #told = keyOf({ rungs: [], hurry: false });

  /** `tell` never rejects. */
  constructor(stream: Pick<EdgeStream, "newest" | "newestOf">, clock: Clock, tell: (wish: Wish) => Promise<void>) {
    this.#stream = stream;
    this.#clock = clock;
    this.#toHolder = new NewestOnly(tell);
  }

  /** Tells it, where that is news. */
  set(wished: Wish): void {
    const key = keyOf(wished);
    if (key === this.#told) return;
    this.#told = key;
    this.#toHolder.offer(wished);
    const { rungs } = wished;
    for (const rung of this.#wishes.keys()) if (!rungs.includes(rung)) this.#wishes.delete(rung);
    const wish = { sinceMs: this.#clock.nowMs(), newest: this.#stream.newest };
    for (const rung of rungs) if (!this.#wishes.has(rung)) this.#wishes.set(rung, wish);
  }

  /** Rungs that were wished for long ago and stand while others go on. `depth`: steps to the origin. */
  standing(depth: number): number[] {
    const { newest } = this.#stream;
    const nowMs = this.#clock.nowMs();
    const isStanding = ([rung, wish]: [number, Since]) => {
      const reached = Math.max(wish.newest, this.#stream.newestOf(rung));
      return nowMs - wish.sinceMs >= STEP_MS * depth && newest - reached > STEP_SEGMENTS * depth;
    };
    return [...this.#wishes].filter(isStanding).map(([rung]) => rung);
  }
}

function keyOf({ rungs, hurry }: Wish): string {
  return `${rungs.join(" ")} ${hurry}`;
}
