import { PushError } from "./errors.ts";

/** What all pushed streams hold at once: segments that come in or wait for their turn, and answers that are not read yet. */
export class HeldBytes {
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws PUSH_MEMORY_FULL, and holds nothing more */
  add(bytes: number): void {
    if (this.#bytes + bytes > this.#limit) throw new PushError({ code: "PUSH_MEMORY_FULL", limit: this.#limit });
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
  }
}
