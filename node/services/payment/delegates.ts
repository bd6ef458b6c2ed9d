import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";

/** Whether a key may act for an account: it may, it could once, or it never was allotted anything. */
export type Standing = "stands" | "ended" | "none";

/** Says who acts for an account. */
export interface Delegates {
  standingOf(account: Address, key: Address): Promise<Standing>;
}

export interface AllottedDelegatesComponents {
  readonly chain: Pick<ChannelView, "allotment">;
  readonly clock: Clock;
  /** Who is paid: a channel to anybody else says nothing here. */
  readonly payee: Address;
  readonly tokens: readonly Address[];
}

/** An account acts for itself; so does a key while the account allots it a channel to us. */
export class AllottedDelegates implements Delegates {
  readonly #components: AllottedDelegatesComponents;

  constructor(components: AllottedDelegatesComponents) {
    this.#components = components;
  }

  async standingOf(account: Address, key: Address): Promise<Standing> {
    if (account === key) return "stands";
    const { chain, clock, payee, tokens } = this.#components;
    const found = await Promise.all(tokens.map((token) => chain.allotment(hubChannel(account, payee, token), key)));
    const nowSeconds = BigInt(Math.floor(clock.nowMs() / 1_000));
    const allotted = found.filter((allotment) => allotment !== undefined);
    if (allotted.some(({ validUntil }) => validUntil > nowSeconds)) return "stands";
    return allotted.length > 0 ? "ended" : "none";
  }
}
