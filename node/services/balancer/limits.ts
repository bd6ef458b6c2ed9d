/** Checks by number: the origin's of every segment, and the buyer's probe of an edge. */
export const originCheck = 1;
export const probeCheck = 4;
/** Segment numbers that the store holds. */
export const MAX_SEQUENCE = 2n ** 31n;
