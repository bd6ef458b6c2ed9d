/** A segment's first frame on its own clock, and on that of its origin, as that signed it. */
export interface SignedPlace {
  /** Ticks of its rung. */
  readonly pts: number;
  /** Milliseconds since 1970. */
  readonly wallClockMs: number;
}

/**
 * When a frame of the place's epoch came to its origin, milliseconds since 1970. What the frame says of that is in no
 * part, and viewers by WebRTC begin a clock by it.
 *
 * A frame 9,000 ticks of 90,000 a second behind the first one of a segment that began at 5,000 ms came at 5,100 ms.
 */
export function arrivalAt(place: SignedPlace, pts: number, timescale: number): number {
  const behindMs = ((pts - place.pts) * 1000) / timescale;
  return Math.max(0, Math.round(place.wallClockMs + behindMs));
}
