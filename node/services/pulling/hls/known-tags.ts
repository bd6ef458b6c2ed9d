import { type DemuxedItem, isSample, type PublishedTag } from "@leat/sdk/protocol/published.ts";

/** Packagers say the same in each track, to the nearest tick of its own, and again in later segments. */
const SAME_WITHIN_MS = 20;
/** Of ten seconds, six a second. */
const MAX_KNOWN = 64;

interface KnownTag extends PublishedTag {
  readonly discontinuity: number;
}

/** Which tags of a source were handed on: what several of its tracks or segments say is said once. */
export class KnownTags {
  #known: KnownTag[] = [];

  /**
   * The items of a segment without the tags that came before, and without any where there is no media to give them a
   * time: those may come again.
   * @param discontinuity Of the segment: each has a clock of its own.
   */
  takeNew(items: readonly DemuxedItem[], discontinuity: number): DemuxedItem[] {
    const hasMedia = items.some(isSample);
    return items.filter((item) => item.type !== "tag" || (hasMedia && this.#isNew({ ...item.tag, discontinuity })));
  }

  #isNew(tag: KnownTag): boolean {
    if (tag.atMs === undefined) return true;
    if (this.#known.some((other) => isSame(other, tag))) return false;
    this.#known = [...this.#known, tag].slice(-MAX_KNOWN);
    return true;
  }
}

function isSame(left: KnownTag, right: KnownTag): boolean {
  return (
    left.discontinuity === right.discontinuity &&
    Math.abs(left.atMs! - right.atMs!) <= SAME_WITHIN_MS &&
    Buffer.compare(left.tag, right.tag) === 0
  );
}
