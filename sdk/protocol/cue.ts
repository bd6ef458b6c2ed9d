/** Something that is to happen at a time of a stream: a splice command of its publisher (SCTE-35). */
export interface Cue {
  /** When, on the ingest node's wall clock, milliseconds since 1970. May be ahead of what was published. */
  readonly atMs: number;
  /** The whole splice information section, as it came. */
  readonly command: Uint8Array;
}
