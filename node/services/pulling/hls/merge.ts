import { placeTags } from "@leat/node/media-io/place-tags.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import type { SegmentMedia } from "./track.ts";

type Kind = "video" | "audio";

interface Side {
  readonly kind: Kind;
  readonly media: AsyncGenerator<SegmentMedia, void>;
  /** Of one segment; a configuration stands with what follows it, a tag with what it follows. */
  items: DemuxedItem[];
  discontinuity: number;
  isOver: boolean;
  /** What its times lack to those of the other side, and where that was found. */
  shift: { readonly ms: number; readonly discontinuity: number } | undefined;
}

/** After so long 33 bits of 90 kHz begin anew, of which files of the one kind know and those of the other do not. */
const WRAP_MS = 2 ** 33 / 90;

/**
 * Pictures of one playlist and sound of another, as they are seen and heard: what is decoded first comes first, and
 * nothing behind a discontinuity before all in front of it. Clocks that are whole wraps apart are one.
 */
export async function* mergeTracks(
  video: AsyncGenerator<SegmentMedia, void>,
  audio: AsyncGenerator<SegmentMedia, void>,
): AsyncGenerator<DemuxedItem[], void> {
  const side = (kind: Kind, media: Side["media"]): Side => ({
    kind,
    media,
    items: [],
    discontinuity: 0,
    isOver: false,
    shift: undefined,
  });
  const sides = [side("video", video), side("audio", audio)] as const;
  for (;;) {
    for (const one of sides) await fill(one);
    const [left, right] = sides;
    if (left.items.length === 0 && right.items.length === 0) return;
    align(right, left);
    yield takeUntilEmpty(left, right);
  }
}

async function fill(side: Side): Promise<void> {
  while (side.items.length === 0 && !side.isOver) {
    const { done, value } = await side.media.next();
    if (done === true) side.isOver = true;
    else {
      side.discontinuity = value.discontinuity;
      side.items = placeTags(value.items.filter((item) => isOf(item, side.kind)));
      if (side.shift?.discontinuity === value.discontinuity) side.items = move(side.items, side.shift.ms);
    }
  }
}

/** Once for each discontinuity, when both have come to it. */
function align(side: Side, to: Side): void {
  const { discontinuity } = side;
  const [own, other] = [firstMsOf(side), firstMsOf(to)];
  if (discontinuity !== to.discontinuity || side.shift?.discontinuity === discontinuity) return;
  if (own === undefined || other === undefined) return;
  const ms = Math.round((other - own) / WRAP_MS) * WRAP_MS;
  side.shift = { ms, discontinuity };
  side.items = move(side.items, ms);
}

function firstMsOf({ items }: Side): number | undefined {
  for (const item of items) if ("sample" in item) return item.sample.dtsMs;
  return undefined;
}

function move(items: readonly DemuxedItem[], ms: number): DemuxedItem[] {
  return items.map((item) => {
    if (item.type === "video") return { type: "video", sample: { ...item.sample, dtsMs: item.sample.dtsMs + ms } };
    if (item.type === "audio") return { type: "audio", sample: { ...item.sample, dtsMs: item.sample.dtsMs + ms } };
    if (item.type !== "tag" || item.tag.atMs === undefined) return item;
    return { type: "tag", tag: { ...item.tag, atMs: item.tag.atMs + ms } };
  });
}

/** Tags are of both. */
function isOf(item: DemuxedItem, kind: Kind): boolean {
  return item.type === "tag" || (item.type === "config" ? item.config.kind : item.type) === kind;
}

/** As much as can be told: until one of them has to be read on. */
function takeUntilEmpty(left: Side, right: Side): DemuxedItem[] {
  const taken: DemuxedItem[] = [];
  const order = [left, right] as const;
  const at = new Map<Side, number>([
    [left, 0],
    [right, 0],
  ]);
  const isEmpty = (side: Side) => at.get(side)! >= side.items.length;
  while (!(isEmpty(left) && isEmpty(right))) {
    const [first] = order
      .filter((side) => !isEmpty(side))
      .sort((one, other) => compare(one, at.get(one)!, other, at.get(other)!));
    if (first === undefined) break;
    taken.push(first.items[at.get(first)!]!);
    at.set(first, at.get(first)! + 1);
    if (isEmpty(first) && !first.isOver) break;
  }
  for (const side of order) side.items = side.items.slice(at.get(side));
  return taken;
}

function compare(left: Side, leftAt: number, right: Side, rightAt: number): number {
  return left.discontinuity - right.discontinuity || timeOf(left, leftAt) - timeOf(right, rightAt);
}

/** A configuration comes before all that could need it, and a tag with its own side. */
function timeOf({ items }: Side, at: number): number {
  const item = items[at]!;
  return "sample" in item ? item.sample.dtsMs : Number.NEGATIVE_INFINITY;
}
