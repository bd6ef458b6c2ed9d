import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Clock } from "../../kernel/clock.ts";
import { askPause, choosePause, GrowingPause } from "./growing-pause.ts";

interface Refusal {
  readonly pause: GrowingPause;
  reason: string;
}

interface Offer {
  readonly refusals: Map<Address, Refusal>;
  readonly choosing: GrowingPause;
  /** Whether those that nobody asked yet were of no use either, when a decision was made last. */
  isWide: boolean;
}

/** Who refused which source, and since when: until something comes of the source. */
export class PullOffers {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #offers = new Map<Hex, Offer>();

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  mayAsk(stream: Hex, node: Address): boolean {
    const refusal = this.#offers.get(stream)?.refusals.get(node);
    return refusal === undefined || refusal.pause.isOver(this.#clock.nowMs());
  }

  refused(stream: Hex, node: Address, reason: string): void {
    const { refusals } = this.#of(stream);
    const refusal = refusals.get(node) ?? { pause: new GrowingPause(askPause), reason };
    refusals.set(node, refusal);
    refusal.reason = reason;
    refusal.pause.failed(this.#clock.nowMs());
  }

  isRefused(stream: Hex): boolean {
    return (this.#offers.get(stream)?.refusals.size ?? 0) > 0;
  }

  /**
   * Of these, who is left out where others are chosen now: those that were chosen, and whoever else refused, where there
   * may be one that would not; else whoever is not to be asked yet. Undefined where it is not time, or nobody is left.
   */
  leaveOut(
    stream: Hex,
    nodes: readonly Address[],
    chosen: readonly Address[],
  ): { node: Address; reason: string }[] | undefined {
    const { refusals, choosing, isWide } = this.#of(stream);
    if (!choosing.isOver(this.#clock.nowMs())) return undefined;
    const others = nodes.filter((node) => !chosen.includes(node));
    const areNew = !isWide && others.some((node) => !refusals.has(node));
    const left = others.filter((node) => (areNew ? !refusals.has(node) : this.mayAsk(stream, node)));
    if (left.length === 0) return undefined;
    const out = nodes.filter((node) => !left.includes(node));
    return out.map((node) => ({ node, reason: refusals.get(node)?.reason ?? "CHOSEN" }));
  }

  /** A decision is made now. */
  choose(stream: Hex): void {
    const offer = this.#of(stream);
    offer.choosing.failed(this.#clock.nowMs());
    offer.isWide = true;
  }

  /** It named somebody. */
  found(stream: Hex): void {
    this.#of(stream).isWide = false;
  }

  /** Whom nobody asked yet need not be waited for. */
  joined(node: Address): void {
    for (const { refusals, choosing } of this.#offers.values()) if (!refusals.has(node)) choosing.shorten();
  }

  /** Something came of it: what was before says nothing of the next time. */
  forget(stream: Hex): void {
    this.#offers.delete(stream);
  }

  /** Of all others nothing is remembered: they are over. */
  retain(streams: ReadonlySet<Hex>): void {
    for (const stream of this.#offers.keys()) if (!streams.has(stream)) this.#offers.delete(stream);
  }

  #of(stream: Hex): Offer {
    const known = this.#offers.get(stream);
    if (known !== undefined) return known;
    const offer = { refusals: new Map(), choosing: new GrowingPause(choosePause), isWide: false };
    this.#offers.set(stream, offer);
    return offer;
  }
}
