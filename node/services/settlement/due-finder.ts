import type { ChannelState } from "@leat/node/chain/channel-view.ts";
import {
  type CollectDecision,
  type CollectFacts,
  type CollectRules,
  claimsWithin,
  decideToCollect,
  decideTogether,
  type GasPrice,
  reasonToCollect,
  type TokenValue,
} from "@leat/node/metering/collect-rule.ts";
import type { VoucherRecord } from "@leat/node/metering/voucher-store.ts";
import { channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { GasWatch } from "./gas-watch.ts";
import { rulesOf, type SettlementOptions } from "./options.ts";
import type { SettlementComponents } from "./settlement-service.ts";
import { type Due, MOST_MEMBERS } from "./transactions.ts";

interface Look {
  readonly record: VoucherRecord;
  readonly facts: CollectFacts;
  readonly token: TokenValue;
}

/** Gas that one transaction may take on any chain: some refuse more, whatever their blocks hold (EIP-7825). */
const MAX_TRANSACTION_GAS = 2n ** 24n;

/** Asks the rule about vouchers, with what the chain and the clock say of each. */
export class DueFinder {
  readonly #components: SettlementComponents;
  readonly #options: SettlementOptions;
  readonly #onCollected: (channel: Hex, state: ChannelState) => Promise<void>;
  readonly #gas: GasWatch;
  /** Since when a channel has something to collect, and since when what it has is this. */
  readonly #openSinceMs = new Map<Hex, number>();
  readonly #newest = new Map<Hex, { readonly cumulative: bigint; readonly sinceMs: number }>();
  /** Channels in danger of less than the gas to save it: said once. */
  readonly #givenUp = new Set<Hex>();

  /** @param onCollected Hears of a channel of which the chain paid all that is held. */
  constructor(
    components: SettlementComponents,
    options: SettlementOptions,
    onCollected: (channel: Hex, state: ChannelState) => Promise<void>,
  ) {
    this.#components = components;
    this.#options = options;
    this.#onCollected = onCollected;
    this.#gas = new GasWatch(components.gas, components.clock);
  }

  /** What is due of these vouchers by the rule; with `all`, whatever is open. */
  async findDue(records: readonly VoucherRecord[], all: boolean): Promise<Due[]> {
    const { chain } = this.#components;
    const looks: Look[] = [];
    for (const record of records) {
      const { channel, voucher } = record;
      const state = await chain.channelState(channelOf(voucher.value), channel);
      if (voucher.value.cumulative > state.collected) looks.push(this.#lookAt(record, state));
      else {
        this.forget(channel);
        await this.#onCollected(channel, state);
      }
    }
    if (looks.length === 0) return [];
    if (all) return looks.map(({ record }) => this.#dueOf(record, "asked"));
    const rules = await this.#rules();
    const wanted = looks.filter(({ facts }) => reasonToCollect(facts, rules) !== undefined);
    if (wanted.length === 0) {
      await this.#gas.keepUp();
      return [];
    }
    const price = await this.#gas.price();
    const decisions = decideTogether(wanted, this.#options.batch, price, rules);
    return [...decisions].flatMap(([{ record }, decision]) => {
      if ("collect" in decision) return [this.#dueOf(record, decision.collect)];
      this.#noteWait(record, decision, price);
      return [];
    });
  }

  /** Wei for one unit of gas, now. */
  async gasPrice(): Promise<bigint> {
    return (await this.#gas.price()).now;
  }

  /** What the rule needs to know of a channel of which something is open. */
  #lookAt(record: VoucherRecord, state: ChannelState): Look {
    const { payee, chain, clock, tokens } = this.#components;
    const { channel, voucher } = record;
    const { cumulative, payer, token } = voucher.value;
    const nowMs = clock.nowMs();
    const since = this.#openSinceMs.get(channel) ?? nowMs;
    this.#openSinceMs.set(channel, since);
    const known = this.#newest.get(channel);
    const newest = known?.cumulative === cumulative ? known : { cumulative, sinceMs: nowMs };
    this.#newest.set(channel, newest);
    // A cluster pays its members along with its buyers' collection: whoever waits a little pays no gas.
    const graceMs = chain.clusterOfAccount(payer) === 0n ? 0 : this.#options.memberGraceMs;
    return {
      record,
      token: tokens.of(token),
      facts: {
        vouchered: cumulative,
        collected: state.collected,
        reserve: state.reserve,
        thawing: state.thawing,
        jobEnded: payee.openJobs(channel) === 0 && nowMs - newest.sinceMs >= graceMs,
        uncollectedForMs: Math.max(0, nowMs - since - graceMs),
      },
    };
  }

  /** The members' newest acknowledged vouchers that are worth a place in a transaction that goes anyway. */
  async findMembers(due: readonly Due[]): Promise<Due[]> {
    const { vouchers, chain, tokens, membersOf } = this.#components;
    if (membersOf === undefined) return [];
    const paid = due.filter(({ record }) => record.voucher.value.payee === membersOf);
    const wanted = new Set(paid.map(({ record }) => record.voucher.value.token));
    const members: (Due & { readonly open: bigint })[] = [];
    for (const record of wanted.size === 0 ? [] : await vouchers.all("issued")) {
      const { value } = record.voucher;
      if (!record.acknowledged || value.payer !== membersOf || !wanted.has(value.token)) continue;
      if (chain.operatorOf(value.payee) === undefined) continue;
      const { collected, reserve, thawing } = await chain.channelState(channelOf(value), record.channel);
      const facts = { vouchered: value.cumulative, collected, reserve, thawing, jobEnded: true, uncollectedForMs: 0 };
      const price = await this.#gas.price();
      // The transaction goes anyway, so a spike is no reason to leave a member behind.
      const asUsual = { now: price.now, usual: price.now };
      const token = tokens.of(value.token);
      const decision = decideToCollect(facts, MOST_MEMBERS, asUsual, token, await this.#rules());
      if ("collect" in decision)
        members.push({ ...this.#dueOf(record, "taken-along"), open: value.cumulative - collected });
    }
    // Where not all find a place, those who wait most for it, or the same would be left out every time.
    return members.sort((left, right) => (left.open > right.open ? -1 : 1));
  }

  async #rules(): Promise<CollectRules> {
    return rulesOf(this.#options, await this.#components.chain.thawSeconds());
  }

  #dueOf(record: VoucherRecord, reason: Due["reason"]): Due {
    const { chain } = this.#components;
    const { payer, payee } = record.voucher.value;
    const clusters = { payerCluster: chain.clusterOfAccount(payer), payeeCluster: chain.clusterOfAccount(payee) };
    return { record, reason, ...clusters };
  }

  /** Claims of one transaction at most, by number and by gas. */
  async mostClaims(): Promise<number> {
    const { batch, blockPart } = this.#options;
    const ppm = BigInt(Math.round(blockPart * 1_000_000));
    const part = ((await this.#components.gas.blockGasLimit()) * ppm) / 1_000_000n;
    return Math.min(batch, claimsWithin(part < MAX_TRANSACTION_GAS ? part : MAX_TRANSACTION_GAS));
  }

  #noteWait({ channel, voucher }: VoucherRecord, decision: CollectDecision, { now }: GasPrice): void {
    if (!("wait" in decision) || decision.wait !== "below-gas" || this.#givenUp.has(channel)) return;
    this.#givenUp.add(channel);
    const facts = { channel, vouchered: voucher.value.cumulative, gasPrice: now };
    this.#components.logger.warn("Leave voucher: it is in danger and worth less than its gas", facts);
  }

  /** Nothing of it is open any more. */
  forget(channel: Hex): void {
    this.#openSinceMs.delete(channel);
    this.#newest.delete(channel);
    this.#givenUp.delete(channel);
  }
}
