import type { IncomingMessage } from "node:http";
import type { Clock } from "../../kernel/clock.ts";
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
const count = /^\d{1,15}$/;

/** Undefined for directives that mean nothing. Others that may come later are let through, as the standard wants. */
export function readReload(url: string): Reload | undefined {
  const query = new URLSearchParams(url.split("?")[1] ?? "");
  const [sequence, part, skip] = ["_HLS_msn", "_HLS_part", "_HLS_skip"].map((name) => query.get(name));
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

/** Resolves when it is there, the stream has ended, the viewer has gone, the server closes, or after a while. */
export async function waitUntil(
  window: HlsWindow,
  isHere: () => boolean,
  { clock, request, closing }: { clock: Clock; request: IncomingMessage; closing: AbortSignal },
): Promise<void> {
  if (isHere()) return;
  const over = new AbortController();
  const leave = () => over.abort();
  const forget = window.onChange(() => {
    if (isHere()) leave();
  });
  request.socket.once("close", leave);
  closing.addEventListener("abort", leave);
  if (closing.aborted) leave();
  await clock.sleep(LONGEST_WAIT_MS, over.signal).catch(() => {});
  request.socket.removeListener("close", leave);
  closing.removeEventListener("abort", leave);
  forget();
}
