import type { LivePart } from "./live-segment.ts";
import { SHORTEST_PART_RATIO } from "./packager.ts";

/** So many segments in a row whose parts break the rule, and the stream's frames cannot keep it. */
const UNFIT_IN_A_ROW = 3;

/**
 * The parts of a segment that may be listed: up to the first that is too long, or too short though it neither is
 * independent nor the last. Of a whole segment all or none, since they must add up to it.
 */
export function listableParts(parts: readonly LivePart[], targetTicks: number, isWhole: boolean): readonly LivePart[] {
  const unfit = parts.findIndex((part, index) => {
    const mayBeShort = part.independent || (isWhole && index === parts.length - 1);
    return part.durationTicks > targetTicks || (!mayBeShort && part.durationTicks < targetTicks * SHORTEST_PART_RATIO);
  });
  if (unfit < 0) return parts;
  return isWhole ? [] : parts.slice(0, unfit);
}

/**
 * Whether a stream is served by parts at all. Its first whole segment decides, of whichever rung; later, a row of
 * segments that do not fit ends it for good. One segment of which frames were lost is listed without parts and no more.
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
