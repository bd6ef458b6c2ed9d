import type { Frame } from "@leat/sdk/protocol/frame.ts";

/** What goes out in one: some frames as a container writes them. One buffer for all viewers. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** A viewer can begin with it. */
  readonly isEntry: boolean;
  readonly frames: readonly SentFrame[];
}

export interface SentFrame {
  readonly rung: number;
  readonly sequence: number;
  readonly frame: Frame;
}

/** What hears of a stream's pieces, in order and at once. */
export interface PieceFollower {
  piece(piece: Piece): void;
  end(): void;
}
