import { type Collectable, collectCall, collectGroups } from "@leat/node/chain/contracts.ts";
import { ChainError } from "@leat/node/chain/errors.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import type { GasBudget } from "@leat/node/chain/transaction-book.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { gasOfClaim, isWorthGas, type TokenValue } from "@leat/node/metering/collect-rule.ts";
import { claimsWithinBudget } from "@leat/node/metering/watch-rule.ts";
import type { WatchedVoucher } from "@leat/node/store/watched-vouchers.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { parseAmount } from "@leat/sdk/protocol/units.ts";

export interface RescuerComponents {
  readonly chain: {
    clusterOfAccount(account: Address): bigint;
    whenConfirmed(blockNumber: bigint, signal?: AbortSignal): Promise<void>;
  };
  readonly sender: Pick<ChainSender, "sendIf" | "gasLeft">;
  readonly tokens: { of(token: Address): TokenValue };
  readonly deployment: Deployment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

type Rescue = WatchedVoucher & { readonly collectable: Collectable };

/** Channels that one transaction rescues. */
const MOST_CLAIMS = 50;
/** Simulations of one look: what is not tried in it is tried in the next. */
const MOST_TRIES = 64;
/** A channel that brought nothing, or not all, is not tried again for so long. */
const RETRY_MS = 600_000;

/** Sends a tower's transactions within its gas. What brings nothing does not stand in the way of what does. */
export class Rescuer {
  readonly #components: RescuerComponents;
  /** Set apart: what a node does for others takes nothing from what collects its own. */
  readonly #budget: GasBudget;
  readonly #triedAtMs = new Map<Hex, number>();
  readonly #collected;
  #isBudgetTold = false;

  constructor(components: RescuerComponents, gasBudget: string) {
    this.#components = components;
    this.#budget = { name: "rescues", daily: parseAmount(gasBudget, 18) };
    this.#collected = components.metrics.counter({
      name: "leat_watchtower_collected_total",
      help: "Vouchers of others that were collected because they were at risk",
    });
  }

  /** Nothing is at risk there any more. */
  forget(channel: Hex): void {
    this.#triedAtMs.delete(channel);
  }

  async rescue(due: readonly WatchedVoucher[], weiPerGas: bigint, signal: AbortSignal): Promise<void> {
    const nowMs = this.#components.clock.nowMs();
    const triedAt = ({ channel }: WatchedVoucher) => this.#triedAtMs.get(channel) ?? Number.NEGATIVE_INFINITY;
    const ready = due
      .filter((one) => nowMs - triedAt(one) >= RETRY_MS)
      .toSorted((left, right) => (triedAt(left) < triedAt(right) ? -1 : triedAt(left) > triedAt(right) ? 1 : 0));
    const batches: WatchedVoucher[][] = [];
    for (let at = 0; at < ready.length; at += MOST_CLAIMS) batches.push(ready.slice(at, at + MOST_CLAIMS));
    for (let tries = 0; tries < MOST_TRIES && batches.length > 0 && !signal.aborted; tries += 1) {
      const batch = batches.shift()!;
      const left = await this.#components.sender.gasLeft(this.#budget);
      const going = batch.slice(0, claimsWithinBudget(left, weiPerGas, batch.length));
      this.#noteBudget(batch.length - going.length);
      if (going.length === 0) return;
      const rest = batch.slice(going.length);
      const again = await this.#try(going, weiPerGas, signal);
      if (again === undefined) return;
      batches.unshift(...again, ...(rest.length > 0 ? [rest] : []));
    }
  }

  /**
   * Sends a batch when every part of it brings its gas. Otherwise answers the parts that must be tried apart; undefined
   * where the budget does not even pay for one.
   */
  async #try(
    batch: readonly WatchedVoucher[],
    weiPerGas: bigint,
    signal: AbortSignal,
  ): Promise<WatchedVoucher[][] | undefined> {
    const { chain, sender, tokens, deployment } = this.#components;
    const rescues = batch.map((watched) => ({ ...watched, collectable: this.#collectableOf(watched) }));
    const collectables = rescues.map(({ collectable }) => collectable);
    const groups = await Promise.all(
      collectGroups(collectables).map(async (group) => ({
        rescues: rescues.filter(({ collectable }) => group.includes(collectable)),
        token: tokens.of(group[0]!.voucher.value.token),
      })),
    );
    const gasEach = gasOfClaim(batch.length);
    let paid: readonly bigint[] = [];
    const brings = (at: number, claims: number) =>
      isWorthGas([{ paid: paid[at] ?? 0n, token: groups[at]!.token }], gasEach * BigInt(claims), weiPerGas);
    const isWorth = (result: readonly bigint[]) => {
      paid = result;
      return groups.every((group, at) => brings(at, group.rescues.length));
    };
    const call = collectCall(deployment, collectables);
    const sent = await sender.sendIf(call, isWorth, signal, this.#budget).catch((error) => {
      if (error instanceof ChainError && error.detail.code === "CHAIN_GAS_BUDGET") return "too dear" as const;
      throw error;
    });
    if (sent === "too dear") {
      // The sender counts the most that it may come to: fewer may fit.
      if (batch.length > 1) return [batch.slice(0, batch.length >> 1), batch.slice(batch.length >> 1)];
      this.#noteBudget(1);
      return undefined;
    }
    if (sent !== undefined) {
      await chain.whenConfirmed(sent.blockNumber, signal);
      this.#noteSent(rescues, sent.transaction);
      return [];
    }
    const good: WatchedVoucher[] = [];
    const apart: WatchedVoucher[][] = [];
    groups.forEach((group, at) => {
      const { length } = group.rescues;
      if (brings(at, length)) good.push(...group.rescues);
      // What all of them bring together would not even pay for one of them.
      else if (length === 1 || !brings(at, 1)) this.#noteTried(group.rescues);
      else apart.push(group.rescues.slice(0, length >> 1), group.rescues.slice(length >> 1));
    });
    return good.length > 0 ? [good, ...apart] : apart;
  }

  #collectableOf({ voucher }: WatchedVoucher): Collectable {
    const { chain } = this.#components;
    const { payer, payee } = voucher.value;
    return { voucher, payerCluster: chain.clusterOfAccount(payer), payeeCluster: chain.clusterOfAccount(payee) };
  }

  #noteSent(rescues: readonly Rescue[], transaction: Hex): void {
    this.#isBudgetTold = false;
    this.#noteTried(rescues);
    for (const { channel, voucher } of rescues) {
      this.#collected.add();
      const { payee, cumulative } = voucher.value;
      this.#components.logger.warn("Collect for a payee that is away", { channel, payee, cumulative, transaction });
    }
  }

  #noteTried(tried: readonly WatchedVoucher[]): void {
    const nowMs = this.#components.clock.nowMs();
    for (const { channel } of tried) this.#triedAtMs.set(channel, nowMs);
  }

  #noteBudget(left: number): void {
    if (left === 0 || this.#isBudgetTold) return;
    this.#isBudgetTold = true;
    const message = "Leave vouchers of others: the day's gas budget is used up";
    this.#components.logger.error(message, { channels: left });
  }
}
