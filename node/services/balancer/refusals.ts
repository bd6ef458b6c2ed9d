import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Clock } from "../../kernel/clock.ts";

/** Why nobody does a part of a stream, as far as anybody tried. */
export interface Refusal {
  /** `ingest`, a codec family, `primary` or `fallback`. */
  readonly part: string;
  readonly code: string;
  readonly atMs: number;
}

/** The last refusal of each part of each open stream, until the part is placed. For who asks, and lost with the process. */
export class Refusals {
  readonly #clock: Clock;
  readonly #byStream = new Map<Hex, Map<string, Refusal>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(stream: Hex): readonly Refusal[] {
    return [...(this.#byStream.get(stream)?.values() ?? [])];
  }

  note(stream: Hex, part: string, code: string): void {
    const parts = this.#byStream.get(stream) ?? new Map<string, Refusal>();
    this.#byStream.set(stream, parts.set(part, { part, code, atMs: this.#clock.nowMs() }));
  }

  placed(stream: Hex, part: string): void {
    this.#byStream.get(stream)?.delete(part);
  }

  forget(stream: Hex): void {
    this.#byStream.delete(stream);
  }
}
