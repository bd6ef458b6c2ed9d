import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { pullOptions } from "@leat/node/media-io/pull/options.ts";
import type { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { Throttle } from "@leat/node/media-io/pull/pacing.ts";
import type { PulledMedia } from "@leat/node/media-io/pull/ts-source.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { defaultsOf } from "../defaults.ts";
import { randomFrom, type SeededRandom } from "../seeded-random.ts";
import { FuzzBus } from "./fuzz-bus.ts";
import { cutUp } from "./mutate.ts";

export interface SourceFuzzReport {
  /** Why sources were given up, by code. */
  readonly refused: ReadonlyMap<string, number>;
  /** What came onto the bus. */
  readonly items: number;
}

export interface FuzzedParts {
  readonly outbound: Outbound;
  readonly options: ReturnType<typeof defaultsOf<typeof pullOptions>>;
  readonly throttle: Throttle;
  readonly logger: typeof silentLogger;
  readonly signal: AbortSignal;
}

/** A source that sends its parts one after the other, each in pieces that come as they like, and then leaves. */
class SentBytes extends Duplex {
  readonly #pieces: Uint8Array[];

  constructor(random: SeededRandom, parts: readonly Uint8Array[]) {
    super({ allowHalfOpen: false });
    this.#pieces = parts.flatMap((bytes) => [...cutUp(random, bytes), new Uint8Array(0)]);
  }

  override _read(): void {
    const piece = this.#pieces.shift();
    if (piece === undefined) this.push(null);
    else if (piece.length > 0) this.push(piece);
    // What was said meanwhile is answered by the next part.
    else setImmediate(() => this._read());
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

/**
 * Pulls from so many sources that send what `make` says. Throws an error that names seed and case for anything but
 * media of use or a coded reason to give up, and for a connection that is not let go of.
 */
export async function fuzzSources(
  cases: number,
  seed: number,
  make: (random: SeededRandom) => readonly Uint8Array[],
  open: (parts: FuzzedParts) => Promise<PulledMedia>,
): Promise<SourceFuzzReport> {
  const refused = new Map<string, number>();
  // Who sends too much before it plays is read no further, and waited for in vain.
  const options = defaultsOf(pullOptions, { timeoutMs: 300 });
  const signal = new AbortController().signal;
  let items = 0;
  for (let index = 0; index < cases; index += 1) {
    // Of its own seed, so that one case can be had again without those before it.
    const random = randomFrom((seed + index * 2_654_435_761) >>> 0);
    const parts = make(random);
    const sentBytes = parts.reduce((sum, bytes) => sum + bytes.length, 0);
    const bus = new FuzzBus();
    const dialled: SentBytes[] = [];
    const dial = async () => {
      const socket = new SentBytes(random, parts);
      dialled.push(socket);
      return socket as unknown as Socket;
    };
    const throttle = new Throttle(systemClock, 1e12);
    const outbound = { dial } as unknown as Outbound;
    try {
      const media = await open({ outbound, options, throttle, logger: silentLogger, signal });
      for await (const some of media) for (const item of some) bus.take(item, sentBytes);
    } catch (error) {
      if (!isCodedError(error)) throw new Error(`case ${index} of seed ${seed}`, { cause: error });
      refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
    }
    if (dialled.some(({ destroyed }) => !destroyed))
      throw new Error(`case ${index} of seed ${seed} leaves a connection`);
    items += bus.items;
  }
  return { refused, items };
}
