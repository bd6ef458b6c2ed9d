import type { FactChange } from "@leat/node/kernel/durable-facts.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { DecodedLog, ReaderPosition } from "./event-reader.ts";
import { RegistryState, type StakeState } from "./registry-state.ts";

/** Blocks below the newest for which every step is kept: far deeper than any reorganisation that a network lived through. */
export const HISTORY_BLOCKS = 256n;

/** One step: the events of some blocks, and what was read as of the last of them. */
export interface RegistryStep {
  readonly logs: readonly DecodedLog[];
  readonly position: ReaderPosition;
  readonly stakes: ReadonlyMap<Address, StakeState>;
}

/**
 * A state with the way that led to it: an older base and the steps since. Going back to a step folds the steps before
 * it onto the base again, so that what comes out is what stood there, not something near it.
 */
export class RegistryHistory {
  readonly state: RegistryState;
  readonly #base: RegistryState;
  #basePosition: ReaderPosition | undefined;
  #steps: RegistryStep[] = [];

  /** Begins at a base: nothing at all, or what was kept. */
  constructor(base = new RegistryState(), position?: ReaderPosition) {
    this.#base = base;
    this.#basePosition = position;
    this.state = base.copy();
  }

  get position(): ReaderPosition | undefined {
    return this.#steps.at(-1)?.position ?? this.#basePosition;
  }

  /** Where the base stands. */
  get basePosition(): ReaderPosition | undefined {
    return this.#basePosition;
  }

  /** Positions that it can go back to, newest first. */
  get positions(): ReaderPosition[] {
    const steps = this.#steps.map(({ position }) => position).reverse();
    return this.#basePosition === undefined ? steps : [...steps, this.#basePosition];
  }

  append(step: RegistryStep): void {
    fold(this.state, step);
    this.#steps.push(step);
    const oldest = step.position.blockNumber - HISTORY_BLOCKS;
    while (this.#steps[0]!.position.blockNumber <= oldest) {
      const settled = this.#steps.shift()!;
      fold(this.#base, settled);
      this.#basePosition = settled.position;
    }
  }

  /** As it stood at a position of `positions`. */
  at(position: ReaderPosition): RegistryHistory {
    const back = new RegistryHistory(this.#base.copy(), this.#basePosition);
    for (const step of this.#steps) if (step.position.blockNumber <= position.blockNumber) back.append(step);
    return back;
  }

  /** Hands what changed in the base since the last time to `write`. What it fails to write comes again the next time. */
  async writeBase(kind: string, write: (changes: readonly FactChange[]) => Promise<void>): Promise<void> {
    const changes = this.#base.takeChanges(kind);
    try {
      await write(changes);
    } catch (error) {
      this.#base.markChanged(changes.map(({ id }) => id));
      throw error;
    }
  }
}

function fold(state: RegistryState, { logs, stakes }: RegistryStep): void {
  for (const log of logs) state.apply(log);
  for (const [operator, stake] of stakes) state.setStake(operator, stake);
}
