import type { Clock } from "@leat/node/kernel/clock.ts";
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
import { ChannelCache } from "./channel-cache.ts";
import type { ChannelState, ChannelView } from "./channel-view.ts";
import type { ChainOptions } from "./clients.ts";
import { ContractReader, type EscrowChannel } from "./contracts.ts";
import { ChainError, reasonOf } from "./errors.ts";
import { type DecodedLog, EventReader, type ReaderPosition } from "./event-reader.ts";
import { type ClusterState, type Collection, type OperatorState, RegistryState } from "./registry-state.ts";

export interface RegistryViewComponents {
  readonly publicClient: PublicClient;
  readonly deployment: Deployment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Blocks read at once: public endpoints refuse more than some thousands. */
const PAGE_BLOCKS = 2_000n;
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
  readonly #listeners = new Set<(log: DecodedLog) => void>();
  readonly #channels = new ChannelCache<EscrowChannel>();
  readonly #allotments = new ChannelCache<Allotment | undefined>();
  #state: RegistryState;
  #position: ReaderPosition | undefined;
  #waiters: { readonly blockNumber: bigint; readonly resolve: () => void }[] = [];

  constructor(components: RegistryViewComponents, options: ChainOptions) {
    const { publicClient, deployment, clock, logger, metrics } = components;
    this.#components = components;
    this.#options = options;
    this.#state = new RegistryState();
    this.reader = new ContractReader(publicClient, deployment);
    this.#events = new EventReader(
      { publicClient },
      {
        addresses: [deployment.operatorRegistry, deployment.clusterRegistry, deployment.escrow],
        events,
        fromBlock: deployment.deployedAtBlock,
        confirmedDepth: options.confirmedDepth,
        pageBlocks: PAGE_BLOCKS,
      },
    );
    this.#tasks = new TaskGroup({
      clock,
      onError: (error) => logger.warn("Read chain failed", { reason: reasonOf(error) }),
    });
    metrics.gauge({
      name: "leat_chain_confirmed_block",
      help: "Newest block whose events were read",
      collect: () => Number(this.#position?.blockNumber ?? 0n),
    });
  }

  async start(): Promise<void> {
    await this.#catchUp();
    this.#tasks.every(this.#options.pollMs, () => this.#catchUp());
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  /** Newest block whose events are in the view. */
  get confirmedBlock(): bigint {
    return this.#position?.blockNumber ?? 0n;
  }

  operators(): OperatorState[] {
    return [...this.#state.operators.values()];
  }

  operator(operator: Address): OperatorState | undefined {
    return this.#state.operators.get(operator);
  }

  /** The operator of a node key, revoked or not. */
  operatorOf(node: Address): Address | undefined {
    return this.#state.operatorOf(node);
  }

  clusters(): ClusterState[] {
    return [...this.#state.clusters.values()];
  }

  cluster(cluster: bigint): ClusterState | undefined {
    return this.#state.clusters.get(cluster);
  }

  /** The cluster whose account an address is; 0 for an account of its own. */
  clusterOfAccount(account: Address): bigint {
    return this.#state.clusterOfAccount(account) ?? 0n;
  }

  collection(channel: Hex): Collection | undefined {
    return this.#state.collections.get(channel);
  }

  /** Hears every confirmed event, in order. Answers how to stop. */
  onEvent(listener: (log: DecodedLog) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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

  async channelState(channel: Channel): Promise<ChannelState> {
    const id = channelId(channel);
    const blockNumber = this.#position?.blockNumber;
    const read = () => this.#ask("channelOf", this.reader.channel(id, blockNumber));
    const found = await (blockNumber === undefined ? read() : this.#channels.get(id, read));
    return { ...found, collectTransaction: this.#state.collections.get(id)?.transaction };
  }

  async maySign(payer: Address, signer: Address): Promise<boolean> {
    if (payer === signer) return true;
    const id = this.#state.clusterOfAccount(payer);
    if (id === undefined) return false;
    if (this.#state.clusters.get(id)?.balancers.has(signer) === true) return true;
    return this.#ask("isVoucherSigner", this.reader.isVoucherSigner(id, signer, this.#position?.blockNumber));
  }

  async allotment(channel: Channel, signer: Address): Promise<Allotment | undefined> {
    const id = channelId(channel);
    const blockNumber = this.#position?.blockNumber;
    const read = () => this.#ask("allotmentOf", this.reader.allotment(id, signer, blockNumber));
    return blockNumber === undefined ? read() : this.#allotments.get(id, read, signer);
  }

  decimalsOf(token: Address): Promise<number> {
    return this.#ask("decimals", this.reader.decimals(token));
  }

  async paidHistory(payer: Address, payee: Address, token: Address): Promise<bigint> {
    const operator = this.#state.operatorOf(payee);
    let paid = 0n;
    for (const collection of this.#state.collectionsOf(payer)) {
      if (collection.token !== token) continue;
      const isSame = collection.payee === payee || (operator && this.#state.operatorOf(collection.payee) === operator);
      if (isSame) paid += collection.collected;
    }
    return paid;
  }

  /** Reads until nothing new is confirmed. */
  async #catchUp(): Promise<void> {
    try {
      for (;;) {
        const page = await this.#events.next(this.#position);
        if (page === undefined) return;
        for (const log of page.logs) this.#state.apply(log);
        await this.#readStakes(page.position.blockNumber);
        this.#position = page.position;
        this.#channels.forget(page.logs);
        this.#allotments.forget(page.logs);
        for (const log of page.logs) for (const listener of this.#listeners) listener(log);
        this.#wake();
      }
    } catch (error) {
      if (!(error instanceof ChainError) || error.code !== "CHAIN_REPLACED") throw error;
      this.#components.logger.error("Read chain anew: it was replaced below the confirmed depth", { ...error.detail });
      this.#state = new RegistryState();
      this.#position = undefined;
      this.#channels.clear();
      this.#allotments.clear();
    }
  }

  async #readStakes(blockNumber: bigint): Promise<void> {
    for (const operator of this.#state.staleStakes) {
      const { stake, thawing } = await this.#ask("stakeOf", this.reader.stake(operator, blockNumber));
      const state = this.#state.operators.get(operator);
      if (state !== undefined) Object.assign(state, { stake, thawing });
      this.#state.staleStakes.delete(operator);
    }
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
