import { MAX_CALLS_IN_FLIGHT } from "@leat/sdk/protocol/limits.ts";
import { Turns, type TurnsOptions } from "../kernel/turns.ts";
import { encodeValue } from "./cbor.ts";

/**
 * A message that comes alone costs its host several times what it costs in a row of its like, most of it before it is
 * known what it says.
 */
const takingTurns: TurnsOptions = { everyMs: 20, atOnce: 10, most: 64, crowd: { least: 2, everyMs: 500 } };
/** Whoever sends it pays for each write, too. Shorter, since a call waits to be taken too, and then its answer. */
const sendingTurns: TurnsOptions = { everyMs: 20, atOnce: 10, most: 16, crowd: { least: 2, everyMs: 100 } };

/** What calls wait for that nobody waits for, one for all connections of a host. */
export interface Patience {
  /** Until those of patient methods are read. */
  readonly taking: Turns;
  /** Until those of gathered methods are written, and their answers. */
  readonly sending: Turns;
}

export function createPatience(): Patience {
  return { taking: new Turns(takingTurns), sending: new Turns(sendingTurns) };
}

/**
 * What a call of the method ends with: of its keys, `method` is the last as it is encoded here. Whoever orders them
 * otherwise is taken at once, and whoever ends another message so waits: it decides about nothing else.
 */
export function tailOf(method: string): Uint8Array {
  return encodeValue({ method }).subarray(1);
}

/** Lets calls of patient methods on one connection wait for those of others, as they came and unread. */
export class PatientCalls {
  readonly #tails: readonly Uint8Array[];
  readonly #turns: Turns | undefined;
  #waiting = 0;

  /** @param turns One for all connections of a host. Undefined: every call is taken as it comes. */
  constructor(tails: readonly Uint8Array[], turns: Turns | undefined) {
    this.#tails = tails;
    this.#turns = turns;
  }

  /** Calls `take` now, or when its turn comes. What waits is bounded as what is being answered. */
  inTurn(bytes: Uint8Array, take: () => void): void {
    const isPatient = this.#tails.some((tail) => endsWith(bytes, tail));
    if (this.#turns === undefined || !isPatient || this.#waiting >= MAX_CALLS_IN_FLIGHT) {
      take();
      return;
    }
    this.#waiting += 1;
    void this.#turns.next().then(() => {
      this.#waiting -= 1;
      take();
    });
  }
}

function endsWith(bytes: Uint8Array, tail: Uint8Array): boolean {
  const from = bytes.byteLength - tail.byteLength;
  return from >= 0 && tail.every((byte, at) => bytes[from + at] === byte);
}
