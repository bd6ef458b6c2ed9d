import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { createFamilyTracks, type FamilyTrack } from "./family-track.ts";
import type { SourceBuffer } from "./source-buffer.ts";
import type { SourceFacts } from "./source-segments.ts";

/** What some family has yet to publish: source frames and facts are kept for it, and forgotten after it. */
export class Unpublished {
  readonly #buffer: SourceBuffer;
  readonly #facts = new Map<number, SourceFacts>();
  #tracks: FamilyTrack[] | undefined;
  #head: number | null = null;
  #waiting: (() => void)[] = [];

  constructor(buffer: SourceBuffer) {
    this.#buffer = buffer;
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

  begin(sequence: number): void {
    this.#head = sequence;
    this.#release();
  }

  addFacts(facts: SourceFacts): void {
    this.#facts.set(facts.boundary.sequence, facts);
    this.wake();
  }

  trackOf(rung: number): FamilyTrack | undefined {
    return this.#tracks?.find(({ renditions }) => renditions.some((rendition) => rendition.rung === rung));
  }

  /** Whether the source of the family's next segment is gone, so that a later one may follow. */
  isNextGone(track: FamilyTrack): boolean {
    return track.next < (this.#buffer.firstSequence ?? 0);
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
    for (const sequence of this.#facts.keys()) if (sequence < floor) this.#facts.delete(sequence);
  }
}
