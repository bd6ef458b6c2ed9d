import { type Collectable, collectCall, collectGroups } from "@leat/node/chain/contracts.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { gasOfClaim, isWorthGas, type TokenValue } from "@leat/node/metering/collect-rule.ts";
import { claimsWithinBudget } from "@leat/node/metering/watch-rule.ts";
import type { LevelWatchStore, WatchedVoucher } from "@leat/node/store/watched-vouchers.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { parseAmount } from "@leat/sdk/protocol/units.ts";

export interface RescuerComponents {
  readonly store: Pick<LevelWatchStore, "spent" | "addSpent">;
  readonly chain: {
    clusterOfAccount(account: Address): bigint;
    whenConfirmed(blockNumber: bigint, signal?: AbortSignal): Promise<void>;
  };
  readonly sender: Pick<ChainSender, "sendIf">;
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
const DAY_MS = 86_400_000;

/** Sends a tower's transactions within its gas. What brings nothing does not stand in the way of what does. */
export class Rescuer {
  readonly #components: RescuerComponents;
  readonly #budget: bigint;
  readonly #triedAtMs = new Map<Hex, number>();
  readonly #collected;
  #isBudgetTold = false;

  constructor(components: RescuerComponents, gasBudget: string) {
    this.#components = components;
    this.#budget = parseAmount(gasBudget, 18);
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
      const left = this.#budget - (await this.#components.store.spent(this.#day()));
      const going = batch.slice(0, claimsWithinBudget(left, weiPerGas, batch.length));
      this.#noteBudget(batch.length - going.length);
      if (going.length === 0) return;
      const rest = batch.slice(going.length);
      const again = await this.#try(going, weiPerGas, signal);
      batches.unshift(...again, ...(rest.length > 0 ? [rest] : []));
    }
  }

  /** Sends a batch when every part of it brings its gas. Otherwise answers the parts that must be tried apart. */
  async #try(batch: readonly WatchedVoucher[], weiPerGas: bigint, signal: AbortSignal): Promise<WatchedVoucher[][]> {
    const { chain, store, sender, tokens, deployment } = this.#components;
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
    // Counted before it is sent: a tower that is killed in between must not find its budget whole again.
    const day = this.#day();
    const estimate = gasEach * BigInt(batch.length) * weiPerGas;
    await store.addSpent(day, estimate);
    const sent = await sender.sendIf(collectCall(deployment, collectables), isWorth, signal);
    const spent = sent === undefined ? 0n : sent.receipt.gasUsed * sent.receipt.effectiveGasPrice;
    await store.addSpent(day, spent - estimate);
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
    if (left > 0 && !this.#isBudgetTold) {
      const message = "Leave vouchers of others: the day's gas budget is used up";
      this.#components.logger.error(message, { channels: left });
    }
    this.#isBudgetTold = left > 0;
  }

  #day(): number {
    return Math.floor(this.#components.clock.nowMs() / DAY_MS);
  }
}
