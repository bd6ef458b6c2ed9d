import { type Family, type RenditionInfo, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";

/** How far one codec family of a stream has come: its segments are judged in order, all rungs at once. */
export class FamilyTrack {
  readonly family: Family;
  readonly renditions: readonly RenditionInfo[];
  #next: number;

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
  }

  /** Source frames before `sequence` are gone: nobody can make those segments any more. */
  skipTo(sequence: number): void {
    this.#next = Math.max(this.#next, sequence);
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
