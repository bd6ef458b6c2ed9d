import { type Coming, SECOND, shape, sinceFlashMs } from "./pattern.ts";

/** A picture as a player showed it, on the player's own clock. */
export interface Sight {
  /** Null where no barcode could be read. */
  readonly number: number | null;
  readonly atMs: number;
  /** All but the barcode is white. */
  readonly isWhite: boolean;
  /** The player went to another place by itself before it showed this. */
  readonly isSought?: boolean;
}

type ReadSight = Sight & { readonly number: number };

export interface Sound {
  /** When it began after silence, on the clock of the pictures. */
  readonly beepAtMs: number;
}

/** How much later than its picture a player lets sound be heard now, as it says itself. */
export interface Apart {
  readonly soundLateMs: number;
}

const FRAME_MS = 1_000 / shape.fps;
/** Pictures around a beep tell when it should have come, where the player's clock did not stand meanwhile. */
const AROUND_MS = 250;
const UNSTEADY_MS = 30;
/** Farther a player does not go back by itself: hls.js was seen to by 1054 ms where it stalled, dash.js by one picture. */
const OWN_STEP_MS = 1_200;

/** What one player showed and let hear, as it comes. */
export class Sightings {
  readonly pictures: Sight[] = [];
  readonly beepsAtMs: number[] = [];
  /** By the number of the newest picture, each. */
  readonly apart: (Apart & { readonly number: number })[] = [];
  readonly #waiting = new Set<() => void>();
  #failure: Error | undefined;
  #isSettled = false;

  add(noted: Sight | Sound | Apart): void {
    if (this.#isSettled) return;
    if ("beepAtMs" in noted) this.beepsAtMs.push(noted.beepAtMs);
    else if ("soundLateMs" in noted) this.#addApart(noted);
    else this.pictures.push(noted);
    for (const look of this.#waiting) look();
  }

  /** Brings pictures and beeps, that each came with times of a clock of their own, to one. What comes later is left out. */
  settle(pictureMs: (atMs: number) => number, soundMs: (atMs: number) => number): void {
    this.#isSettled = true;
    const pictures = this.pictures.splice(0);
    this.pictures.push(...pictures.map((sight) => ({ ...sight, atMs: pictureMs(sight.atMs) })));
    this.beepsAtMs.push(...this.beepsAtMs.splice(0).map(soundMs));
  }

  /** Nothing comes any more, and nobody wanted that. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const look of this.#waiting) look();
  }

  /** Resolves when so many seconds of the publisher's first or second coming were shown, first picture to newest. */
  whenShown(coming: Coming, seconds: number): Promise<void> {
    const isShown = () => {
      const numbers = numbersOf(this, coming);
      return numbers.length > 0 && (numbers.at(-1)! - numbers[0]!) / shape.fps >= seconds;
    };
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#failure === undefined && !isShown()) return;
        this.#waiting.delete(look);
        if (isShown()) resolve();
        else reject(this.#failure);
      };
      this.#waiting.add(look);
      look();
    });
  }

  #addApart({ soundLateMs }: Apart): void {
    const number = this.pictures.findLast((sight) => sight.number !== null)?.number;
    if (number !== undefined && number !== null) this.apart.push({ soundLateMs, number });
  }
}

/** Where a picture came after a later one: both numbers, and by how much the player's clock went on. */
export interface Backwards {
  readonly from: number;
  readonly to: number;
  readonly afterMs: number;
  /** The player took its clock back by itself, a little, and shows what it had shown of that time. */
  readonly isOwn: boolean;
}

export interface Judgement {
  readonly pictures: number;
  /** Pictures without a readable number. */
  readonly unread: number;
  readonly backwards: readonly Backwards[];
  /** Pictures of the publisher's first coming that were seen after one of its second. */
  readonly mixed: number;
  /** Pictures that were left out between two that were shown, within one coming of the publisher. */
  readonly missing: number;
  /** The first number that was shown of the publisher's second coming, counted from where that began. */
  readonly resumedAt: number | undefined;
  /** Pictures of a flash that are not white, and others that are. */
  readonly wrongLight: number;
  /** Flashes whose first picture was shown, of the publisher's first and second coming. */
  readonly flashes: readonly [first: number, second: number];
  /** How much later than its flash each beep came, of the publisher's first and second coming. */
  readonly skewsMs: readonly [first: readonly number[], second: readonly number[]];
  /** How much later than pictures sound was played, of both comings, by the player's own word where it gives one. */
  readonly lateMs: readonly [first: readonly number[], second: readonly number[]];
}

/** @param settledS Flashes and beeps of so many first seconds of either coming are left out. */
export function judge(
  { pictures, beepsAtMs, apart }: Pick<Sightings, "pictures" | "beepsAtMs" | "apart">,
  settledS = 0,
): Judgement {
  const read = pictures.filter((sight): sight is ReadSight => sight.number !== null);
  const steps = read.slice(1).map(({ number }, index) => number - read[index]!.number);
  const backwards = read.flatMap((sight, at) => {
    const before = read[at - 1] ?? sight;
    if (sight.number >= before.number) return [];
    const afterMs = Math.round(sight.atMs - before.atMs);
    return [{ from: before.number, to: sight.number, afterMs, isOwn: isOwnStep(before, sight) }];
  });
  const resumedAt = read.findIndex(({ number }) => number >= SECOND);
  const second = read[resumedAt];
  const isSettled = ({ number }: { readonly number: number }) => number % SECOND >= settledS * shape.fps;
  const flashes = read.filter(({ number }) => isFlash(number) && !isFlash(number - 1)).filter(isSettled);
  const skews = beepsAtMs.flatMap((atMs) => skewOf(atMs, read)).filter(isSettled);
  const late = apart.filter(isSettled).map(({ number, soundLateMs }) => ({ number, skewMs: Math.round(soundLateMs) }));
  return {
    pictures: pictures.length,
    unread: pictures.length - read.length,
    backwards,
    mixed: read.slice(Math.max(0, resumedAt)).filter(({ number }) => resumedAt >= 0 && number < SECOND).length,
    missing: steps.filter((step) => step > 1 && step < SECOND / 2).reduce((sum, step) => sum + step - 1, 0),
    resumedAt: second === undefined ? undefined : second.number - SECOND,
    wrongLight: read.filter(({ number, isWhite }) => isWhite !== isFlash(number)).length,
    flashes: byComing(flashes, (some) => new Set(some.map(({ number }) => number)).size),
    skewsMs: byComing(skews, skewsOf),
    lateMs: byComing(late, skewsOf),
  };
}

function byComing<Seen extends { readonly number: number }, Told>(
  all: readonly Seen[],
  tell: (some: readonly Seen[]) => Told,
): readonly [first: Told, second: Told] {
  return [tell(all.filter(({ number }) => number < SECOND)), tell(all.filter(({ number }) => number >= SECOND))];
}

function skewsOf(some: readonly { readonly skewMs: number }[]): number[] {
  return some.map(({ skewMs }) => skewMs);
}

/** Whether a player only went back by itself: its clock went with the pictures. */
function isOwnStep(before: ReadSight, { number, atMs, isSought = false }: ReadSight): boolean {
  const [backMs, picturesMs] = [before.atMs - atMs, (before.number - number) * FRAME_MS];
  return isSought && backMs <= OWN_STEP_MS && Math.abs(backMs - picturesMs) <= FRAME_MS;
}

/** Where no steady pictures are around a beep, nobody can tell. */
function skewOf(beepAtMs: number, pictures: readonly ReadSight[]) {
  const around = pictures.filter(({ atMs }) => Math.abs(atMs - beepAtMs) <= AROUND_MS);
  const [first, last] = [around[0], around.at(-1)];
  if (first === undefined || last === undefined || first.atMs > beepAtMs || last.atMs <= beepAtMs) return [];
  const origins = around.map(({ number, atMs }) => atMs - number * FRAME_MS);
  const isSteady = Math.max(...origins) - Math.min(...origins) <= UNSTEADY_MS;
  if (!isSteady) return [];
  const origin = origins.sort((left, right) => left - right)[Math.floor(origins.length / 2)]!;
  return [{ number: first.number, skewMs: Math.round(sinceFlashMs((beepAtMs - origin) / FRAME_MS)) }];
}

function isFlash(number: number): boolean {
  const { fps, flashEveryS, flashS } = shape;
  const since = (number % SECOND) / fps;
  return since >= flashEveryS && (number % SECOND) % (fps * flashEveryS) < flashS * fps;
}

function numbersOf({ pictures }: Pick<Sightings, "pictures">, coming: Coming): number[] {
  return pictures.flatMap(({ number }) =>
    number !== null && number >= SECOND === (coming === "second") ? number : [],
  );
}
