import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Unpublished } from "./unpublished.ts";

/** The last segments are made, or for `waitMs` none of them, so that nobody will. */
export async function waitForFamilies(
  unpublished: Unpublished,
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (unpublished.behind > 0) {
    const { behind } = unpublished;
    const moved = new AbortController();
    const until = AbortSignal.any([signal, moved.signal]);
    const patience = clock.sleep(waitMs, until).then(
      () => "over",
      () => "moved",
    );
    const progress = (async () => {
      while (unpublished.behind >= behind && !until.aborted) await unpublished.change(until);
      return "moved";
    })();
    const outcome = await Promise.race([patience, progress]);
    moved.abort();
    signal.throwIfAborted();
    if (outcome === "over") return;
  }
}

/** Edges that still read finish: one that is cut off now would never have the end. Bounded, for one that stalls. */
export async function waitForEdges(
  edges: Iterable<Promise<void>>,
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const patience = clock.sleep(waitMs, AbortSignal.any([signal, done.signal]));
  await Promise.race([Promise.allSettled([...edges]), patience.catch(() => {})]);
  done.abort();
}
