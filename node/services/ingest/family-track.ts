import { type Family, type RenditionInfo, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";

/** How far one codec family of a stream has come: its segments are judged in order, all rungs at once. */
export class FamilyTrack {
  readonly family: Family;
  readonly renditions: readonly RenditionInfo[];
  #next: number;
  /** The newest run of segments that were given up before anybody made them. */
  #skipped = { from: 0, to: 0 };

  constructor(family: Family, renditions: readonly RenditionInfo[], startSequence: number) {
    this.family = family;
    this.renditions = renditions;
    this.#next = startSequence;
  }

  /** The first segment that is not judged. */
  get next(): number {
    return this.#next;
  }

  /** `sequence` is judged, or nobody will judge it; what was skipped before it is a gap for good. */
  published(sequence: number): void {
    this.#next = Math.max(this.#next, sequence + 1);
    // Viewers have it: it was begun before it was given up.
    this.#skipped.from = Math.max(this.#skipped.from, sequence + 1);
  }

  /** Nobody makes what is before `sequence` any more: its source is gone, or is about to go. */
  skipTo(sequence: number): void {
    if (sequence <= this.#next) return;
    this.#skipped = { from: this.#skipped.to === this.#next ? this.#skipped.from : this.#next, to: sequence };
    this.#next = sequence;
  }

  /** Whether the segment was given up before anybody made it. */
  isSkipped(sequence: number): boolean {
    return sequence >= this.#skipped.from && sequence < this.#skipped.to;
  }
}

/** One track for each family that is made of the source. */
export function createFamilyTracks(all: readonly RenditionInfo[], startSequence: number): FamilyTrack[] {
  const renditions = all.filter(({ rung }) => rung !== SOURCE_RUNG);
  const families = new Set(renditions.flatMap(({ family }) => (family === undefined ? [] : [family])));
  return [...families].map(
    (family) =>
      new FamilyTrack(
        family,
        renditions.filter((rendition) => rendition.family === family),
        startSequence,
      ),
  );
}
