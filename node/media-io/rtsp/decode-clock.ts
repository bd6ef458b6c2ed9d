/** As deep as codecs let pictures be out of order. */
const MAX_DEPTH = 16;
/** Further back it is no order of pictures: the source's clock was set. */
const MAX_BACK_MS = 2_000;
/** The first pictures are held back, so many or so long, to see in which order they come. */
const FIRST_PICTURES = 8;
const FIRST_MS = 400;
/** Two pictures of one time are decoded one after the other. */
const SHORTEST_MS = 1;
/** A camera's, until there is a difference to be seen. */
const USUAL_STEP_MS = 40;

export interface ShownPicture {
  readonly shownMs: number;
  readonly key: boolean;
}

export interface PictureTime {
  readonly dtsMs: number;
  readonly ctsMs: number;
}

/**
 * Packets carry the time of showing alone. How far pictures are out of their order is learnt from the first ones; each
 * is decoded at the time of the one that shows first of those that are held back so. A source that is deeper after all
 * is left out up to its next key frame.
 */
export class DecodeClock<P extends ShownPicture> {
  #first: P[] | undefined = [];
  #depth = 0;
  /** Times of showing that no picture was decoded at yet, in order. */
  #open: number[] = [];
  #stepMs = USUAL_STEP_MS;
  #lastShownMs = Number.NEGATIVE_INFINITY;
  #lastDtsMs = Number.NEGATIVE_INFINITY;
  #awaitsKey = false;

  /** Pictures that can go on now, each with its times. */
  push(picture: P): { readonly picture: P; readonly time: PictureTime }[] {
    this.#measure(picture.shownMs);
    if (this.#first === undefined) return this.#place(picture);
    const first = this.#first;
    first.push(picture);
    if (first.length < FIRST_PICTURES && Math.abs(picture.shownMs - first[0]!.shownMs) < FIRST_MS) return [];
    this.#first = undefined;
    this.#depth = depthOf(first);
    return first.flatMap((one) => this.#place(one));
  }

  #place(picture: P): { readonly picture: P; readonly time: PictureTime }[] {
    const { shownMs, key } = picture;
    const backMs = this.#lastDtsMs - shownMs;
    if (backMs > MAX_BACK_MS) this.#restart();
    else if (!this.#awaitsKey && backMs > this.#stepMs / 2 && this.#depth < MAX_DEPTH) {
      this.#depth += 1;
      this.#awaitsKey = true;
    }
    if (this.#awaitsKey && !key) return [];
    if (this.#awaitsKey) this.#restart();
    this.#insert(shownMs);
    const missing = this.#depth + 1 - this.#open.length;
    // Before there are enough of them, times are made up in front of the first.
    const wantedMs = missing > 0 ? this.#open[0]! - missing * this.#stepMs : this.#open.shift()!;
    const dtsMs = Math.max(wantedMs, this.#lastDtsMs + SHORTEST_MS);
    this.#lastDtsMs = dtsMs;
    // No picture is shown before it is decoded: the second of one time is shown as much later as it has to be.
    return [{ picture, time: { dtsMs, ctsMs: Math.max(0, shownMs - dtsMs) } }];
  }

  #restart(): void {
    this.#open = [];
    this.#awaitsKey = false;
    this.#lastDtsMs = Number.NEGATIVE_INFINITY;
  }

  #measure(shownMs: number): void {
    const step = shownMs - this.#lastShownMs;
    this.#lastShownMs = shownMs;
    if (step > 0 && step < this.#stepMs) this.#stepMs = step;
  }

  #insert(shownMs: number): void {
    const at = this.#open.findIndex((one) => one > shownMs);
    if (at === -1) this.#open.push(shownMs);
    else this.#open.splice(at, 0, shownMs);
  }
}

/** How many pictures at most come before one that shows earlier: I0 P3 B1 B2 is 1 deep. */
function depthOf(pictures: readonly ShownPicture[]): number {
  const before = pictures.map(
    ({ shownMs }, index) => pictures.slice(0, index).filter((one) => one.shownMs > shownMs).length,
  );
  return Math.max(...before);
}
