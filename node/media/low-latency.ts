import type { LivePart } from "./live-segment.ts";
import { SHORTEST_PART_RATIO } from "./packager.ts";

/** So many segments in a row whose parts break the rule, and the stream's frames cannot keep it. */
const UNFIT_IN_A_ROW = 3;

/**
 * The parts of a segment that may be listed. While it is not whole: those up to the first that is too long, or too short
 * though it is not independent. Of a whole segment all, whatever their length: a player that plays by parts fetches
 * nothing of a segment without them, nor the rest of one whose parts are gone from the list.
 */
export function listableParts(parts: readonly LivePart[], targetTicks: number, isWhole: boolean): readonly LivePart[] {
  const unfit = isWhole ? -1 : findUnfit(parts, targetTicks, false);
  return unfit < 0 ? parts : parts.slice(0, unfit);
}

/** Whether a whole segment's parts all are as long as the standard wants them. */
export function allFit(parts: readonly LivePart[], targetTicks: number): boolean {
  return findUnfit(parts, targetTicks, true) < 0;
}

function findUnfit(parts: readonly LivePart[], targetTicks: number, isWhole: boolean): number {
  return parts.findIndex((part, index) => {
    const mayBeShort = part.independent || (isWhole && index === parts.length - 1);
    return part.durationTicks > targetTicks || (!mayBeShort && part.durationTicks < targetTicks * SHORTEST_PART_RATIO);
  });
}

/**
 * Whether a stream is served by parts at all. Its first whole segment decides, of whichever rung; later, a row of
 * segments that do not fit ends it for good. One segment of which frames were lost does not.
 */
export class LowLatencyRule {
  readonly #unfit = new Map<number, number>();
  #isOn: boolean | undefined;

  /** False before the first segment is whole. */
  get isOn(): boolean {
    return this.#isOn === true;
  }

  closed(rung: number, fits: boolean): void {
    this.#isOn ??= fits;
    const row = fits ? 0 : (this.#unfit.get(rung) ?? 0) + 1;
    this.#unfit.set(rung, row);
    if (row >= UNFIT_IN_A_ROW) this.#isOn = false;
  }
}
