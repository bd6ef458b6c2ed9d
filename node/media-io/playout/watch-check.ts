import type { PlayedStream } from "./stream.ts";

/** When it is asked again whether a viewer may watch: every so often, and at once when the stream's policy changes. */
export class WatchCheck {
  readonly #stream: Pick<PlayedStream, "guarded">;
  readonly #everyMs: number;
  #guarded: PlayedStream["guarded"];
  #lastMs: number;

  constructor(stream: Pick<PlayedStream, "guarded">, everyMs: number, nowMs: number) {
    this.#stream = stream;
    this.#everyMs = everyMs;
    this.#guarded = stream.guarded;
    this.#lastMs = nowMs;
  }

  /** True once each time. */
  isDue(nowMs: number): boolean {
    const { guarded } = this.#stream;
    if (guarded === this.#guarded && nowMs - this.#lastMs < this.#everyMs) return false;
    this.#guarded = guarded;
    this.#lastMs = nowMs;
    return true;
  }
}
