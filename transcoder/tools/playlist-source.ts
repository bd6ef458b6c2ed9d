import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { openFileSource } from "./file-source.ts";
import type { MediaInput, MediaItem } from "./media-item.ts";
import { openPatternSource } from "./pattern-source.ts";

/** Enough to see where both tracks of a file begin. */
const LOOK_AHEAD_ITEMS = 64;

export interface TimedItem {
  readonly item: MediaItem;
  /** What brings the item's own times onto the clock of the whole, in milliseconds. */
  readonly offsetMs: number;
  /** When it is due on that clock. */
  readonly dueMs: number;
}

/** The inputs one after the other on one clock that starts at 0. A configuration that did not change is not repeated. */
export function* openPlaylist(inputs: readonly MediaInput[], loop: boolean): Generator<TimedItem> {
  const known = new Map<TrackConfig["kind"], TrackConfig>();
  let startMs = 0;
  do {
    for (const input of inputs) {
      const source = typeof input === "string" ? openFileSource(input) : openPatternSource(input.pattern);
      startMs = yield* shiftItems(source, startMs, known);
    }
  } while (loop && startMs > 0);
}

function* shiftItems(
  source: Generator<MediaItem>,
  startMs: number,
  known: Map<TrackConfig["kind"], TrackConfig>,
): Generator<TimedItem, number> {
  const timescales = new Map<TrackConfig["kind"], number>();
  const timeOf = (item: MediaItem) => {
    if (item.type === "config") {
      timescales.set(item.config.kind, item.config.timescale);
      return undefined;
    }
    return (item.frame.dts * 1000) / (timescales.get(item.frame.kind) ?? 1);
  };
  const ahead: MediaItem[] = [];
  let beginMs = Infinity;
  for (let next = source.next(); !next.done; next = source.next()) {
    ahead.push(next.value);
    beginMs = Math.min(beginMs, timeOf(next.value) ?? Infinity);
    if (ahead.length >= LOOK_AHEAD_ITEMS) break;
  }
  const offsetMs = startMs - (beginMs === Infinity ? 0 : beginMs);
  let endMs = startMs;
  for (const item of chain(ahead, source)) {
    const timeMs = timeOf(item);
    if (item.type === "config") {
      const before = known.get(item.config.kind);
      known.set(item.config.kind, item.config);
      if (before && isSame(before, item.config)) continue;
      yield { item, offsetMs, dueMs: endMs };
      continue;
    }
    const dueMs = timeMs! + offsetMs;
    const durationMs = (item.frame.duration * 1000) / (timescales.get(item.frame.kind) ?? 1);
    endMs = Math.max(endMs, dueMs + durationMs);
    yield { item, offsetMs, dueMs };
  }
  return endMs;
}

function* chain(ahead: readonly MediaItem[], rest: Generator<MediaItem>): Generator<MediaItem> {
  yield* ahead;
  yield* rest;
}

function isSame(left: TrackConfig, right: TrackConfig): boolean {
  return left.codecString === right.codecString && Buffer.compare(left.description, right.description) === 0;
}
