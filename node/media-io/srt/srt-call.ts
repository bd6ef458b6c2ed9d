import type { PullError } from "../pull/errors.ts";

/** Whom to call, by an address that was looked at. */
export interface SrtCallee {
  readonly address: string;
  readonly port: number;
  /** May be empty. */
  readonly streamId: string;
  readonly passphrase: string | undefined;
  /** Undefined: as this node takes callers. */
  readonly latencyMs?: number | undefined;
}

/** A connection that this node began, to take what the other side sends. */
export class SrtCall {
  readonly #onTaken: (bytes: number) => void;
  readonly #onLeft: () => void;
  /** Bounded by whoever sends: so much and no more before `onTaken`. */
  #waiting: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #lost: PullError | undefined;

  constructor(parts: { readonly onTaken: (bytes: number) => void; readonly onLeft: () => void }) {
    this.#onTaken = parts.onTaken;
    this.#onLeft = parts.onLeft;
  }

  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#wake?.();
  }

  /** Nothing more comes; what came is still read. */
  lose(error: PullError): void {
    this.#lost ??= error;
    this.#wake?.();
  }

  /** What comes, until it is lost; whoever leaves ends the connection. @throws PullError, the signal's reason */
  async *read(signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const leave = () => this.#wake?.();
    signal.addEventListener("abort", leave, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        const pieces = this.#waiting;
        this.#waiting = [];
        for (const piece of pieces) {
          yield piece;
          this.#onTaken(piece.length);
        }
        if (this.#waiting.length > 0) continue;
        if (this.#lost !== undefined) throw this.#lost;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (signal.aborted) resolve();
        });
        this.#wake = undefined;
      }
    } finally {
      signal.removeEventListener("abort", leave);
      this.#onLeft();
    }
  }
}
