import type { Piece } from "./piece.ts";

export interface ViewerQueueParts {
  /** Hands bytes on; `taken` is called once they have left. */
  readonly send: (bytes: Uint8Array) => void;
  readonly onSent: (piece: Piece) => void;
  readonly nowMs: () => number;
}

/** On their way at once: what a fast network takes between two looks, and little beside a second of any rung. */
const WINDOW_BYTES = 262_144;
/** A viewer this far behind sees nothing of use any more. */
const LONGEST_WAIT_MS = 1_000;
const MAX_QUEUED_BYTES = 4_194_304;
/** Who took nothing for so long, though there was something, holds a place and does not watch. */
const STALLED_MS = 30_000;

interface Waiting {
  readonly piece: Piece;
  readonly queuedMs: number;
}

/** Pieces for one viewer, in bounds: one who is slow goes on with the next key frame instead of being late. */
export class ViewerQueue {
  readonly #parts: ViewerQueueParts;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #leaving: Piece[] = [];
  #leavingBytes = 0;
  #takenBytes = 0;
  #needsEntry = true;
  #drops = 0;
  /** Since when what is under way is all that is. */
  #stalledMs: number | undefined;

  constructor(parts: ViewerQueueParts) {
    this.#parts = parts;
  }

  /** How often the viewer was too slow. */
  get drops(): number {
    return this.#drops;
  }

  isStalled(nowMs: number): boolean {
    return this.#stalledMs !== undefined && nowMs - this.#stalledMs > STALLED_MS;
  }

  push(piece: Piece): void {
    const nowMs = this.#parts.nowMs();
    if (this.#isBehind(nowMs)) {
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#needsEntry = true;
      this.#drops += 1;
    }
    if (this.#needsEntry && !piece.isEntry) return;
    this.#needsEntry = false;
    this.#waiting.push({ piece, queuedMs: nowMs });
    this.#waitingBytes += piece.bytes.length;
    this.#send();
  }

  /** So many bytes have left. */
  taken(bytes: number): void {
    this.#takenBytes += bytes;
    this.#leavingBytes -= bytes;
    this.#stalledMs = this.#leavingBytes > 0 ? this.#parts.nowMs() : undefined;
    for (;;) {
      const [first] = this.#leaving;
      if (first === undefined || first.bytes.length > this.#takenBytes) break;
      this.#leaving.shift();
      this.#takenBytes -= first.bytes.length;
      this.#parts.onSent(first);
    }
    this.#send();
  }

  /** Nothing more comes: hands on what is left. */
  finish(): void {
    for (const { piece } of this.#waiting) this.#hand(piece);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #isBehind(nowMs: number): boolean {
    const [first] = this.#waiting;
    if (first === undefined) return false;
    return this.#waitingBytes > MAX_QUEUED_BYTES || nowMs - first.queuedMs > LONGEST_WAIT_MS;
  }

  #send(): void {
    while (this.#waiting.length > 0 && this.#leavingBytes < WINDOW_BYTES) {
      const { piece } = this.#waiting.shift()!;
      this.#waitingBytes -= piece.bytes.length;
      this.#hand(piece);
    }
  }

  #hand(piece: Piece): void {
    this.#leaving.push(piece);
    this.#stalledMs ??= this.#parts.nowMs();
    this.#leavingBytes += piece.bytes.length;
    this.#parts.send(piece.bytes);
  }
}
