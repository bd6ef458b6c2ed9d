import type { TsPacket } from "./packet-reader.ts";

/** Whether a PID's packets follow each other. */
export class Continuity {
  #counter: number | undefined;
  #repeated = false;

  /** `repeat`: the packet before once more, as a sender may do. `gap`: packets are missing before this one. */
  check({ counter, discontinuity, payload }: TsPacket): "next" | "repeat" | "gap" {
    const last = this.#counter;
    this.#counter = counter;
    const isRepeat = last === counter && payload !== undefined && !discontinuity;
    if (isRepeat && !this.#repeated) {
      this.#repeated = true;
      return "repeat";
    }
    this.#repeated = false;
    if (last === undefined || discontinuity) return "next";
    const expected = payload === undefined ? last : (last + 1) & 0x0f;
    return counter === expected ? "next" : "gap";
  }
}
