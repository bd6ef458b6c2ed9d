import type { ChannelState, ChannelView } from "../../node/chain/channel-view.ts";
import type { Allotment } from "../../node/metering/allotment.ts";
import { type Channel, channelId } from "../../sdk/protocol/channel.ts";
import type { Address, Hex } from "../../sdk/protocol/hex.ts";

/** A chain in memory, as payers and payees see it. Every channel has `reserve` unless it was set. */
export class MemoryChannelView implements ChannelView {
  readonly #states = new Map<Hex, ChannelState>();
  readonly #signers = new Map<Address, Set<Address>>();
  readonly #allotments = new Map<string, Allotment | undefined>();
  readonly #reserve: bigint;
  readonly #decimals: number;
  paid = 0n;

  constructor(reserve: bigint, decimals = 6) {
    this.#reserve = reserve;
    this.#decimals = decimals;
  }

  set(channel: Channel, state: Partial<ChannelState>): void {
    this.#states.set(channelId(channel), { ...this.#stateOf(channel), ...state });
  }

  allow(payer: Address, signer: Address): void {
    this.#signers.set(payer, (this.#signers.get(payer) ?? new Set()).add(signer));
  }

  async channelState(channel: Channel): Promise<ChannelState> {
    return this.#stateOf(channel);
  }

  async maySign(payer: Address, signer: Address): Promise<boolean> {
    return payer === signer || this.#signers.get(payer)?.has(signer) === true;
  }

  /** Lets a key sign on one channel of `channel.payer`; undefined takes it back as if it had never been. */
  allot(channel: Channel, signer: Address, allotment: Allotment | undefined): void {
    this.#allotments.set(`${channelId(channel)}/${signer}`, allotment);
  }

  async allotment(channel: Channel, signer: Address): Promise<Allotment | undefined> {
    return this.#allotments.get(`${channelId(channel)}/${signer}`);
  }

  async decimalsOf(): Promise<number> {
    return this.#decimals;
  }

  async paidHistory(): Promise<bigint> {
    return this.paid;
  }

  #stateOf(channel: Channel): ChannelState {
    const empty = { collected: 0n, reserve: this.#reserve, thawing: 0n, collectTransaction: undefined };
    return this.#states.get(channelId(channel)) ?? empty;
  }
}
