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
  readonly #heard = new WeakSet<Refusal>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(stream: Hex): readonly Refusal[] {
    return [...(this.#byStream.get(stream)?.values() ?? [])];
  }

  note(stream: Hex, part: string, code: string): Refusal {
    const parts = this.#byStream.get(stream) ?? new Map<string, Refusal>();
    const refusal = { part, code, atMs: this.#clock.nowMs() };
    this.#byStream.set(stream, parts.set(part, refusal));
    return refusal;
  }

  /** Told again and again by who does the part: why nothing of it comes. It knows of no other try's refusal. */
  heard(stream: Hex, part: string, code: string | undefined): void {
    const known = this.#byStream.get(stream)?.get(part);
    if (known !== undefined && !this.#heard.has(known)) return;
    if (known?.code === code) return;
    if (code === undefined) this.placed(stream, part);
    else this.#heard.add(this.note(stream, part, code));
  }

  placed(stream: Hex, part: string): void {
    this.#byStream.get(stream)?.delete(part);
  }

  forget(stream: Hex): void {
    this.#byStream.delete(stream);
  }
}
