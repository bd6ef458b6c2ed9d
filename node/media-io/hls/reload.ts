import type { ServerResponse } from "node:http";
import type { Clock } from "../../kernel/clock.ts";
import { LoopShare } from "../../kernel/loop-share.ts";
import type { HlsWindow } from "./stream.ts";

/** The delivery directives of a playlist request (RFC 8216bis, section 6.2.5). */
export interface Reload {
  /** Answer only when this segment is there, or this part of it. */
  readonly sequence: number | undefined;
  readonly part: number | undefined;
  readonly skip: boolean;
}

/**
 * A longest segment and a half: a source that takes longer has stopped, and a player that hears nothing for long takes its
 * server for dead.
 */
export const LONGEST_WAIT_MS = 6_000;
/** The standard lets a player ask for two segments more than there are. */
const FURTHEST_AHEAD = 2;
const directives = ["_HLS_msn", "_HLS_part", "_HLS_skip"];
const count = /^\d{1,15}$/;

/** Undefined for directives that mean nothing. Others that may come later are let through, as the standard wants. */
export function readReload(url: string): Reload | undefined {
  const query = new URLSearchParams(url.split("?")[1] ?? "");
  // Which of two is meant nobody knows, a cache in front neither.
  if (directives.some((name) => query.getAll(name).length > 1)) return undefined;
  const [sequence, part, skip] = directives.map((name) => query.get(name));
  const isWhole = [sequence, part].every((value) => value == null || count.test(value));
  if (!isWhole || (part != null && sequence == null)) return undefined;
  if (skip != null && skip !== "YES" && skip !== "v2") return undefined;
  const [asked, askedPart] = [sequence, part].map((value) => (value == null ? undefined : Number(value)));
  return { sequence: asked, part: askedPart, skip: skip != null };
}

/** A stream that is over has all that it will have. */
export function isThere(window: HlsWindow, name: string, { sequence, part }: Reload): boolean {
  return sequence === undefined || window.ended || window.hasReached(name, sequence, part);
}

export function isTooFar(window: HlsWindow, name: string, { sequence }: Reload): boolean {
  return sequence !== undefined && !window.ended && sequence > window.headOf(name) + FURTHEST_AHEAD;
}

/** Those who come within it share a timer. */
const SHARED_MS = 1_000;

/** So many are answered in one turn of the event loop: a crowd waits for the same part, and others must not wait for it. */
const answered = { perTurn: 16, mostWaiting: Number.POSITIVE_INFINITY };

type Closing = Pick<ServerResponse, "once" | "removeListener">;

/** Those who wait for one thing: one look at every change for all of them, and one timer. */
interface Group {
  readonly over: AbortController;
  readonly leave: Set<() => void>;
}

/** Viewers whose answers are held back until what they asked for is there. */
export class Waiters {
  readonly #clock: Clock;
  readonly #groups = new WeakMap<HlsWindow, Map<string, Group>>();
  readonly #open = new Set<Group>();
  readonly #answers = new LoopShare(answered);
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Nobody waits any more: whoever waits would hold the server's end up. */
  close(): void {
    this.#isClosed = true;
    for (const { over } of this.#open) over.abort();
  }

  /**
   * Resolves when it is there, the viewer has gone, the server closes, or after a while. @param what Names what is
   * waited for: all who name the same must mean the same by `isHere`. @param response Its end tells that the viewer
   * has gone: a connection may go on without it.
   */
  until(window: HlsWindow, what: string, isHere: () => boolean, response: Closing): Promise<void> {
    if (isHere() || this.#isClosed) return Promise.resolve();
    const group = this.#groupOf(window, what, isHere);
    return new Promise((resolve) => {
      const leave = () => {
        response.removeListener("close", gone);
        resolve();
      };
      const gone = () => {
        group.leave.delete(leave);
        resolve();
        if (group.leave.size === 0) group.over.abort();
      };
      group.leave.add(leave);
      response.once("close", gone);
    });
  }

  #groupOf(window: HlsWindow, what: string, isHere: () => boolean): Group {
    const groups = this.#groups.get(window) ?? new Map<string, Group>();
    this.#groups.set(window, groups);
    // Who comes much later than the first waits as long as the first did.
    const name = `${what} ${Math.floor(this.#clock.nowMs() / SHARED_MS)}`;
    const known = groups.get(name);
    if (known !== undefined) return known;
    const group: Group = { over: new AbortController(), leave: new Set() };
    groups.set(name, group);
    this.#open.add(group);
    const forget = window.onChange(() => {
      if (isHere()) group.over.abort();
    });
    const end = () => {
      forget();
      groups.delete(name);
      this.#open.delete(group);
      for (const leave of group.leave) this.#answers.run(leave);
    };
    void this.#clock.sleep(LONGEST_WAIT_MS, group.over.signal).then(end, end);
    return group;
  }
}
