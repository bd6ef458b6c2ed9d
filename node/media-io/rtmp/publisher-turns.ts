import { Turns, type TurnsOptions } from "../../kernel/turns.ts";

const together = { atOnce: 1, most: Number.POSITIVE_INFINITY } satisfies Partial<TurnsOptions>;
const firstTurns: TurnsOptions = { ...together, everyMs: 250 };
/** At most a fourth of a segment: who gets a stream by whole segments hardly sees a difference, and waking seldom is cheap. */
const laterTurns: TurnsOptions = { ...together, everyMs: 500 };
/** Five seconds: more than a system needs to see how much a sender has. */
const FIRST_TURNS = 20;

/**
 * When publishers are read that can wait. The system lets a connection have about twice as much unread as was last taken of
 * it while its sender had more: one that is read late for the first time holds that up until it has grown.
 */
export interface PublisherTurns {
  /** @param held How many turns this publisher has waited for in a row. */
  next(held: number): Promise<void>;
}

export function createPublisherTurns(): PublisherTurns {
  const first = new Turns(firstTurns);
  const later = new Turns(laterTurns);
  return { next: (held) => (held < FIRST_TURNS ? first : later).next() };
}
