import type { Boundary } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { createFamilyTracks, type FamilyTrack } from "./family-track.ts";
import type { BegunSegment } from "./made-range.ts";
import type { SourceBuffer } from "./source-buffer.ts";
import type { SourceFacts } from "./source-segments.ts";

/** What some family has yet to publish: source frames and facts are kept for it, and forgotten after it. */
export class Unpublished {
  readonly #buffer: SourceBuffer;
  readonly #isShown: (sequence: number) => boolean;
  readonly #facts = new Map<number, SourceFacts>();
  readonly #begun = new Map<
    number,
    { boundary: Boundary; wallClockMs: number; shownAt: number[]; isComplete: boolean }
  >();
  #tracks: FamilyTrack[] | undefined;
  #head: number | null = null;
  #waiting: (() => void)[] = [];

  /** `isShown`: whether viewers have pictures of a segment that is not judged. It is, also when its source is gone. */
  constructor(buffer: SourceBuffer, isShown: (sequence: number) => boolean) {
    this.#buffer = buffer;
    this.#isShown = isShown;
  }

  /** The newest segment begun; null before the first. */
  get head(): number | null {
    return this.#head;
  }

  /** False until it is known what the stream becomes. */
  get isReady(): boolean {
    return this.#tracks !== undefined;
  }

  /** How many segments families are behind the source, summed. */
  get behind(): number {
    const head = this.#head;
    if (head === null) return 0;
    return (this.#tracks ?? []).reduce((sum, { next }) => sum + Math.max(0, head + 1 - next), 0);
  }

  setRenditions(renditions: readonly RenditionInfo[], startSequence: number): void {
    this.#tracks = createFamilyTracks(renditions, startSequence);
    this.#release();
  }

  get tracks(): readonly FamilyTrack[] {
    return this.#tracks ?? [];
  }

  begin(boundary: Boundary, wallClockMs: number): void {
    this.#head = boundary.sequence;
    this.#begun.set(boundary.sequence, { boundary, wallClockMs, shownAt: [], isComplete: false });
    this.#release();
  }

  /** A picture of the source came: mostly the one that shows last. */
  addPicture(sequence: number, pts: number): void {
    const shownAt = this.#begun.get(sequence)?.shownAt;
    if (shownAt === undefined) return;
    let at = shownAt.length;
    while (at > 0 && shownAt[at - 1]! > pts) at -= 1;
    if (at === shownAt.length) shownAt.push(pts);
    else shownAt.splice(at, 0, pts);
  }

  addFacts(facts: SourceFacts): void {
    this.#facts.set(facts.boundary.sequence, facts);
    const begun = this.#begun.get(facts.boundary.sequence);
    if (begun !== undefined) begun.isComplete = true;
    this.wake();
  }

  /** The facts of a segment, where its source is complete and they are not forgotten. */
  knownFacts(sequence: number): SourceFacts | undefined {
    return this.#facts.get(sequence);
  }

  /** How many pictures each segment from that number on has, by number: of those that are not forgotten. */
  picturesFrom(sequence: number): ReadonlyMap<number, number> {
    const known = [...this.#begun].filter(([begun]) => begun >= sequence);
    return new Map(known.map(([begun, { shownAt }]) => [begun, shownAt.length]));
  }

  /** What is known of a segment from its beginning on; undefined before it and when it is forgotten. */
  begunAt(sequence: number): BegunSegment | undefined {
    return this.#begun.get(sequence);
  }

  /** Whether the source of a segment is gone, so that nobody can make it any more. */
  isGone(sequence: number): boolean {
    return sequence < (this.#buffer.firstSequence ?? 0);
  }

  trackOf(rung: number): FamilyTrack | undefined {
    return this.#tracks?.find(({ renditions }) => renditions.some((rendition) => rendition.rung === rung));
  }

  /** Whether the source of the family's next segment is gone, so that a later one may follow. */
  isNextGone(track: FamilyTrack): boolean {
    return this.isGone(track.next);
  }

  /** Nobody begins to make what the family lacks before `sequence`. */
  skipTo(track: FamilyTrack, sequence: number): void {
    track.skipTo(sequence);
    this.#release();
    this.wake();
  }

  published(track: FamilyTrack, sequence: number): void {
    track.published(sequence);
    this.#release();
    this.wake();
  }

  /** The facts of a segment, once its source is complete; undefined when they are gone or will never be. */
  async factsOf(sequence: number, signal: AbortSignal): Promise<SourceFacts | undefined> {
    for (;;) {
      const facts = this.#facts.get(sequence);
      const mayCome = this.#head !== null && sequence <= this.#head && !this.#buffer.closed && !signal.aborted;
      if (facts !== undefined || !mayCome) return facts;
      await this.change(signal);
    }
  }

  /** Resolves when something was completed or published, or the signal aborts. */
  change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      this.#waiting.push(done);
    });
  }

  wake(): void {
    for (const done of this.#waiting.splice(0)) done();
  }

  #release(): void {
    if (this.#tracks === undefined) return;
    const first = this.#buffer.firstSequence;
    if (first !== undefined) for (const track of this.#tracks) track.skipTo(first);
    const floor = Math.min(...this.#tracks.map(({ next }) => next), this.#head ?? 0);
    this.#buffer.release(floor);
    for (const known of [this.#facts, this.#begun]) {
      for (const sequence of known.keys()) {
        if (sequence < floor && !this.#isShown(sequence)) known.delete(sequence);
      }
    }
  }
}
