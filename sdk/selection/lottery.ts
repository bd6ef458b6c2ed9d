import type { SeedStream } from "./seed.ts";

/** A ticket that came out: its number, and the place in the list of weights that holds it. */
export interface Drawn {
  readonly ticket: number;
  readonly index: number;
}

/**
 * Draws up to `draw` different tickets of which entry i holds `weights[i]`, and gives each entry once, in order of
 * drawing. Tickets are drawn, not entries: an entry that could be drawn but once would win more by splitting in two.
 * With tickets the same seed draws the same capacity however it is divided, so splitting changes nothing at all.
 */
export function drawTickets(weights: readonly number[], draw: number, stream: SeedStream): Drawn[] {
  let total = 0;
  for (const weight of weights) total += weight;
  if (total < 1) return [];
  const tickets: number[] = [];
  while (tickets.length < Math.min(draw, total)) {
    const ticket = stream.below(total);
    if (!tickets.includes(ticket)) tickets.push(ticket);
  }
  const owners = ownersOf(weights, tickets);
  const drawn: Drawn[] = [];
  for (const ticket of tickets) {
    const index = owners.get(ticket)!;
    if (!drawn.some((other) => other.index === index)) drawn.push({ ticket, index });
  }
  return drawn;
}

/** One walk over the weights for all tickets. */
function ownersOf(weights: readonly number[], tickets: readonly number[]): Map<number, number> {
  const sorted = [...tickets].sort((left, right) => left - right);
  const owners = new Map<number, number>();
  let below = 0;
  let next = 0;
  for (let index = 0; index < weights.length && next < sorted.length; index += 1) {
    below += weights[index]!;
    while (next < sorted.length && sorted[next]! < below) {
      owners.set(sorted[next]!, index);
      next += 1;
    }
  }
  return owners;
}
