/** What a node of `lying-node.ts` does wrong. */
export type Lie = "none" | "altered-parts" | "wrong-size" | "few-frames" | "other-bytes";
