import type { Clock } from "@leat/node/kernel/clock.ts";
import type { DurableFacts } from "@leat/node/kernel/durable-facts.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { Allotment } from "@leat/node/metering/allotment.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { clusterRegistryAbi } from "@leat/sdk/protocol/abi/cluster-registry.ts";
import { operatorRegistryAbi } from "@leat/sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "@leat/sdk/protocol/abi/payment-escrow.ts";
import { type Channel, channelId } from "@leat/sdk/protocol/channel.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { AbiEvent, PublicClient } from "viem";
import type { Bounce } from "./bounces.ts";
import { ChannelCache } from "./channel-cache.ts";
import type { ChannelState, ChannelView } from "./channel-view.ts";
import type { ChainOptions } from "./clients.ts";
import { ContractReader, type EscrowChannel, type ThawPeriods } from "./contracts.ts";
import { ChainError, reasonOf } from "./errors.ts";
import { type DecodedLog, type EventPage, EventReader } from "./event-reader.ts";
import { HISTORY_BLOCKS, RegistryHistory, type RegistryStep } from "./registry-history.ts";
import { RegistryKeeper } from "./registry-keeper.ts";
import { type ClusterState, type Collection, type OperatorState, stakesMovedBy } from "./registry-state.ts";

export interface RegistryViewComponents {
  readonly publicClient: PublicClient;
  readonly deployment: Deployment;
  /** Where the fold of older events is kept for the next start. Without it every start reads all events. */
  readonly facts?: DurableFacts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** The largest total that a voucher can have. */
const MAX_TOTAL = 2n ** 128n - 1n;
/** Blocks read at once where the endpoint allows it. */
const PAGE_BLOCKS = 10_000n;
const events = [...operatorRegistryAbi, ...clusterRegistryAbi, ...paymentEscrowAbi].filter(
  (item): item is Extract<typeof item, { type: "event" }> => item.type === "event",
) as readonly AbiEvent[];

/**
 * Who exists, what is at stake, and what channels hold: from the events of the three contracts at confirmed depth, and
 * from reads as of the same block. Ready when `start` resolves.
 */
export class RegistryView implements ChannelView, Startable {
  readonly reader: ContractReader;
  readonly #components: RegistryViewComponents;
  readonly #options: ChainOptions;
  readonly #events: EventReader;
  readonly #tasks: TaskGroup;
  readonly #keeper: RegistryKeeper | undefined;
  readonly #listeners = new Set<(log: DecodedLog) => void>();
  readonly #rollbackListeners = new Set<(blockNumber: bigint) => void>();
  readonly #channels = new ChannelCache<ChannelState & EscrowChannel>();
  readonly #allotments = new ChannelCache<Allotment | undefined>();
  #history = new RegistryHistory();
  readonly #rollbacks;
  #waiters: { readonly blockNumber: bigint; readonly resolve: () => void }[] = [];

  constructor(components: RegistryViewComponents, options: ChainOptions) {
    const { publicClient, deployment, facts, clock, logger, metrics } = components;
    this.#components = components;
    this.#options = options;
    this.#keeper = facts === undefined ? undefined : new RegistryKeeper(facts, deployment, events);
    this.reader = new ContractReader(publicClient, deployment);
    this.#events = new EventReader(
      { publicClient },
      {
        addresses: [deployment.operatorRegistry, deployment.clusterRegistry, deployment.escrow],
        events,
        fromBlock: deployment.deployedAtBlock,
        confirmedDepth: options.confirmedDepth,
        pageBlocks: PAGE_BLOCKS,
        apartBlocks: HISTORY_BLOCKS,
      },
    );
    this.#tasks = new TaskGroup({
      clock,
      onError: (error) => logger.warn("Read chain failed", { reason: reasonOf(error) }),
    });
    metrics.gauge({
      name: "leat_chain_confirmed_block",
      help: "Newest block whose events were read",
      collect: () => Number(this.confirmedBlock),
    });
    this.#rollbacks = metrics.counter({
      name: "leat_chain_rollbacks_total",
      help: "Reorganisations below the confirmed depth",
    });
  }

  async start(): Promise<void> {
    if (this.#keeper !== undefined) this.#history = await this.#keeper.load();
    await this.#catchUp();
    this.#tasks.every(this.#options.pollMs, () => this.#catchUp());
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
    await this.#keeper?.keep(this.#history, true).catch((error) => this.#warnNotKept(error));
  }

  /** Newest block whose events are in the view. */
  get confirmedBlock(): bigint {
    return this.#history.position?.blockNumber ?? 0n;
  }

  operators(): OperatorState[] {
    return [...this.#history.state.operators.values()];
  }

  operator(operator: Address): OperatorState | undefined {
    return this.#history.state.operators.get(operator);
  }

  /** The operator of a node key, revoked or not. */
  operatorOf(node: Address): Address | undefined {
    return this.#history.state.operatorOf(node);
  }

  clusters(): ClusterState[] {
    return [...this.#history.state.clusters.values()];
  }

  cluster(cluster: bigint): ClusterState | undefined {
    return this.#history.state.clusters.get(cluster);
  }

  /** The cluster whose account an address is; 0 for an account of its own. */
  clusterOfAccount(account: Address): bigint {
    return this.#history.state.clusterOfAccount(account) ?? 0n;
  }

  collection(channel: Hex): Collection | undefined {
    return this.#history.state.collections.get(channel);
  }

  /** Hears every confirmed event, in order, each once unless `onRollback` took it back. Answers how to stop. */
  onEvent(listener: (log: DecodedLog) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Hears of a reorganisation below the confirmed depth: what was heard of blocks after `blockNumber` is void, and what
   * is there now is heard next. The view moves from the old chain to the new one in one step. Answers how to stop.
   */
  onRollback(listener: (blockNumber: bigint) => void): () => void {
    this.#rollbackListeners.add(listener);
    return () => this.#rollbackListeners.delete(listener);
  }

  /** Resolves when the events of `blockNumber` are in the view; rejects when the signal aborts or the view stops. */
  whenConfirmed(blockNumber: bigint, signal?: AbortSignal): Promise<void> {
    if (this.confirmedBlock >= blockNumber) return Promise.resolve();
    const ends = [this.#tasks.signal, ...(signal === undefined ? [] : [signal])];
    const end = AbortSignal.any(ends);
    if (end.aborted) return Promise.reject(end.reason);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(end.reason);
      };
      const done = () => {
        end.removeEventListener("abort", leave);
        resolve();
      };
      const waiter = { blockNumber, resolve: done };
      end.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
    });
  }

  channelState(channel: Channel, id = channelId(channel)): Promise<ChannelState & EscrowChannel> {
    const blockNumber = this.#history.position?.blockNumber;
    const read = async () => {
      const found = await this.#ask("channelOf", this.reader.channel(id, blockNumber));
      // Whatever changes either names the channel, and has both read anew.
      return { ...found, collectTransaction: this.#history.state.collections.get(id)?.transaction };
    };
    return blockNumber === undefined ? read() : this.#channels.get(id, read);
  }

  async maySign(payer: Address, signer: Address): Promise<boolean> {
    if (payer === signer) return true;
    const id = this.#history.state.clusterOfAccount(payer);
    if (id === undefined) return false;
    if (this.#history.state.clusters.get(id)?.balancers.has(signer) === true) return true;
    const ended = await this.#endedBalancer(payer, signer);
    return ended !== undefined && ended.validUntil > (await this.nowSeconds());
  }

  async allotment(channel: Channel, signer: Address): Promise<Allotment | undefined> {
    const ended = await this.#endedBalancer(channel.payer, signer);
    if (ended !== undefined) return ended;
    const id = channelId(channel);
    const blockNumber = this.#history.position?.blockNumber;
    const read = () => this.#ask("allotmentOf", this.reader.allotment(id, signer, blockNumber));
    return blockNumber === undefined ? read() : this.#allotments.get(id, read, signer);
  }

  decimalsOf(token: Address): Promise<number> {
    return this.#ask("decimals", this.reader.decimals(token));
  }

  thawPeriods(): Promise<ThawPeriods> {
    return this.#ask("thaw period", this.reader.thawPeriods());
  }

  /** How long a voucher counts at least once its reserve thaws or its signer has ended. */
  async thawSeconds(): Promise<number> {
    return Math.min(...Object.values(await this.thawPeriods()));
  }

  /** The contracts' clock: when the newest confirmed block was made, seconds since 1970. */
  nowSeconds(): Promise<bigint> {
    return this.#ask("eth_getBlockByNumber", this.reader.blockTime(this.confirmedBlock));
  }

  async paidHistory(payer: Address, payee: Address, token: Address): Promise<bigint> {
    const operator = this.#history.state.operatorOf(payee);
    let paid = 0n;
    for (const collection of this.#history.state.collectionsOf(payer)) {
      if (collection.token !== token) continue;
      const isSame =
        collection.payee === payee || (operator && this.#history.state.operatorOf(collection.payee) === operator);
      if (isSame) paid += collection.collected;
    }
    return paid;
  }

  /** What bounced of a payer, with the time of each block and whether it was paid after all. */
  bouncesOf(payer: Address): Promise<Bounce[]> {
    const { state } = this.#history;
    return Promise.all(
      state.bouncesOf(payer).map(async (bounce) => ({
        ...bounce,
        atSeconds: await this.#ask("eth_getBlockByNumber", this.reader.blockTime(bounce.blockNumber)),
        madeGood: (state.collections.get(bounce.channel)?.collected ?? 0n) >= bounce.total,
      })),
    );
  }

  /**
   * What a key may still sign that was a cluster's balancer: the pay of open work, for a quarter of the thaw in which it
   * counts. Whoever took its vouchers up to the last moment could not collect them in time.
   */
  async #endedBalancer(payer: Address, signer: Address): Promise<Allotment | undefined> {
    const { state } = this.#history;
    const countsUntil = state.clusters.get(state.clusterOfAccount(payer) ?? 0n)?.ended.get(signer);
    if (countsUntil === undefined) return undefined;
    const { ofBalancers } = await this.thawPeriods();
    return { cap: MAX_TOTAL, validUntil: countsUntil - (BigInt(ofBalancers) * 3n) / 4n };
  }

  /** Reads until nothing new is confirmed. */
  async #catchUp(): Promise<void> {
    try {
      for (;;) {
        const step = await this.#readStep(this.#history);
        if (step === undefined) break;
        this.#history.append(step);
        this.#channels.forget(step.logs);
        this.#allotments.forget(step.logs);
        this.#tell(step.logs);
        this.#wake();
        // What came meanwhile is found by the next look: asking again each time costs a third of all calls.
        if (step.isNewest) break;
      }
    } catch (error) {
      if (!(error instanceof ChainError) || error.detail.code !== "CHAIN_REPLACED") throw error;
      await this.#follow(error.detail.checkpoint);
    }
    await this.#keeper?.keep(this.#history).catch((error) => this.#warnNotKept(error));
  }

  /** Everything that can fail comes first: a step is taken whole or not at all. */
  async #readStep(history: RegistryHistory): Promise<(RegistryStep & Pick<EventPage, "isNewest">) | undefined> {
    const page = await this.#events.next(history.position);
    if (page === undefined) return undefined;
    // Endpoints forget the state of old blocks, never their events: stakes are read where the present is reached.
    const moved = page.isNewest ? new Set([...history.state.staleStakes, ...stakesMovedBy(page.logs)]) : [];
    const stakes = await this.#ask("stakeOf", this.reader.stakes([...moved], page.position.blockNumber));
    return { ...page, stakes };
  }

  /** Goes back to the newest step that the chain still holds and from there along the chain as it is now. */
  async #follow(checkpoint: bigint): Promise<void> {
    const { logger, deployment } = this.#components;
    const back = await this.#findBack();
    const from = back.position?.blockNumber ?? deployment.deployedAtBlock - 1n;
    const logs: DecodedLog[] = [];
    for (let step = await this.#readStep(back); step !== undefined; step = await this.#readStep(back)) {
      back.append(step);
      logs.push(...step.logs);
    }
    this.#rollbacks.add();
    logger.error("Roll back the chain below the confirmed depth", { checkpoint, to: from });
    this.#history = back;
    this.#channels.clear();
    this.#allotments.clear();
    for (const listener of this.#rollbackListeners) listener(from);
    this.#tell(logs);
    this.#wake();
  }

  async #findBack(): Promise<RegistryHistory> {
    for (const position of this.#history.positions) {
      if (await this.#events.holds(position)) return this.#history.at(position);
    }
    await this.#keeper?.forget();
    return new RegistryHistory();
  }

  #tell(logs: readonly DecodedLog[]): void {
    for (const log of logs) for (const listener of this.#listeners) listener(log);
  }

  /** The next start takes longer; nothing else depends on it. */
  #warnNotKept(error: unknown): void {
    this.#components.logger.warn("Keep registry failed", { reason: reasonOf(error) });
  }

  #wake(): void {
    const due = this.#waiters.filter(({ blockNumber }) => blockNumber <= this.confirmedBlock);
    this.#waiters = this.#waiters.filter((waiter) => !due.includes(waiter));
    for (const waiter of due) waiter.resolve();
  }

  async #ask<T>(method: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (cause) {
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
    }
  }
}
