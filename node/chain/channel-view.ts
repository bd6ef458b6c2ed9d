import type { Allotment } from "@leat/node/metering/allotment.ts";
import type { Channel } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

/** What the chain holds of a channel at confirmed depth, base units. */
export interface ChannelState {
  readonly collected: bigint;
  /** Not thawing: the only part that is worth something as a promise. */
  readonly reserve: bigint;
  readonly thawing: bigint;
  /** The transaction that collected last. */
  readonly collectTransaction: Hex | undefined;
}

/** The chain as payers and payees need it; everything at confirmed depth. */
export interface ChannelView {
  /**
   * The same object for as long as nothing happens to the channel.
   * @param id Saves making it, where it is known.
   */
  channelState(channel: Channel, id?: Hex): Promise<ChannelState>;
  /**
   * Whether `signer` signs for `payer`: its own key, or a balancer key of a cluster's account, which goes on for a quarter
   * of a thaw after its removal, so that open work is paid.
   */
  maySign(payer: Address, signer: Address): Promise<boolean>;
  /**
   * What another key may sign on this channel; undefined where the payer never allotted it. Ended ones are told too, among
   * them a cluster's removed balancers.
   */
  allotment(channel: Channel, signer: Address): Promise<Allotment | undefined>;
  decimalsOf(token: Address): Promise<number>;
  /** Base units that `payer` ever paid to nodes of the same operator as `payee` (to a cluster's account: to it). */
  paidHistory(payer: Address, payee: Address, token: Address): Promise<bigint>;
}
