import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import { type Collectable, collectCall } from "@leat/node/chain/contracts.ts";
import type { DecodedLog } from "@leat/node/chain/event-reader.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { type CollectReason, reasonToCollect } from "@leat/node/metering/collect-rule.ts";
import type { VoucherRecord, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Payee } from "@leat/node/services/payment/index.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { type Static, Type } from "typebox";

export const settlementOptions = Type.Object(
  {
    lookEveryMs: Type.Integer({
      default: 5_000,
      minimum: 200,
      maximum: 600_000,
      description: "Pause between looks for vouchers to collect, milliseconds; a change is looked at at once",
    }),
    maxAgeMs: Type.Integer({
      default: 600_000,
      minimum: 1_000,
      description: "A voucher is collected after so long at the latest, milliseconds",
    }),
    batch: Type.Integer({
      default: 50,
      minimum: 1,
      maximum: 200,
      description: "Vouchers collected in one transaction",
    }),
  },
  { default: {}, additionalProperties: false },
);

/** The chain as settlement needs it: `RegistryView`. */
export interface SettlementChain extends ChannelView {
  clusterOfAccount(account: Address): bigint;
  whenConfirmed(blockNumber: bigint, signal?: AbortSignal): Promise<void>;
  onEvent(listener: (log: DecodedLog) => void): () => void;
}

export interface SettlementComponents {
  readonly vouchers: VoucherStore;
  readonly payee: Pick<Payee, "openJobs" | "onChange">;
  readonly chain: SettlementChain;
  readonly sender: Pick<ChainSender, "sendIf">;
  readonly deployment: Deployment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export interface Settlement {
  /** Collects now whatever brings anything; resolves when it is confirmed. Answers the transactions. */
  collectNow(): Promise<Hex[]>;
  /** Resolves when every held voucher of a payer is collected and confirmed. */
  settled(payer: Address): Promise<void>;
}

interface Due {
  readonly record: VoucherRecord;
  readonly reason: CollectReason | "asked";
}

export class SettlementService implements Settlement, Startable {
  readonly #components: SettlementComponents;
  readonly #options: Static<typeof settlementOptions>;
  readonly #tasks: TaskGroup;
  readonly #mutex = new Mutex();
  readonly #collected;
  /** Since when a channel has something to collect. */
  readonly #openSinceMs = new Map<Hex, number>();
  #listening: (() => void)[] = [];
  #looking = false;
  /** What the next look is for: channels that changed, or all. */
  #toLookAt: Set<Hex> | "all" = new Set();
  /** What the store has of the chain already. */
  readonly #writtenDown = new Map<Hex, bigint>();
  #waiters: { payer: Address; resolve: () => void; reject: (error: unknown) => void }[] = [];

  constructor(components: SettlementComponents, options: Static<typeof settlementOptions>) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.warn("Collect vouchers failed", { error }),
    });
    this.#collected = components.metrics.counter({
      name: "leat_settlement_vouchers_collected_total",
      help: "Vouchers whose collection was confirmed",
    });
  }

  async start(): Promise<void> {
    const { payee, chain } = this.#components;
    this.#listening = [
      payee.onChange((channel) => this.#look([channel])),
      chain.onEvent((log) => {
        if (log.eventName === "ReserveThawStarted") this.#look([log.args.channel as Hex]);
      }),
    ];
    this.#tasks.every(this.#options.lookEveryMs, () => this.#look());
    this.#look();
  }

  async stop(): Promise<void> {
    for (const leave of this.#listening.splice(0)) leave();
    const waiters = this.#waiters.splice(0);
    await this.#tasks.close();
    for (const waiter of waiters) waiter.reject(this.#tasks.signal.reason);
  }

  collectNow(): Promise<Hex[]> {
    return this.#mutex.run(() => this.#collect(true, this.#tasks.signal));
  }

  async settled(payer: Address): Promise<void> {
    if (!(await this.#hasOpen(payer))) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ payer, resolve, reject });
      this.#look();
    });
  }

  /** At most one look runs, and one more after it for what changed meanwhile: one voucher does not cost a look at all. */
  #look(channels: readonly Hex[] | "all" = "all"): void {
    if (this.#tasks.signal.aborted) return;
    if (channels === "all") this.#toLookAt = "all";
    else if (this.#toLookAt !== "all") for (const channel of channels) this.#toLookAt.add(channel);
    if (this.#looking) return;
    this.#looking = true;
    this.#tasks.run(async (signal) => {
      try {
        while ((this.#toLookAt === "all" || this.#toLookAt.size > 0) && !signal.aborted) {
          const toLookAt = this.#toLookAt;
          this.#toLookAt = new Set();
          await this.#mutex.run(() => this.#collect(false, signal, toLookAt));
        }
      } finally {
        this.#looking = false;
      }
    });
  }

  /** One round: what is due goes out, is confirmed and written down before the next round looks. */
  async #collect(all: boolean, signal: AbortSignal, toLookAt: ReadonlySet<Hex> | "all" = "all"): Promise<Hex[]> {
    const due = await this.#findDue(all, toLookAt);
    const transactions: Hex[] = [];
    for (let at = 0; at < due.length; at += this.#options.batch) {
      const transaction = await this.#collectBatch(due.slice(at, at + this.#options.batch), signal);
      if (transaction !== undefined) transactions.push(transaction);
    }
    await this.#wake();
    return transactions;
  }

  async #findDue(all: boolean, toLookAt: ReadonlySet<Hex> | "all"): Promise<Due[]> {
    const { payee, chain, clock } = this.#components;
    const due: Due[] = [];
    for (const record of await this.#recordsOf(toLookAt)) {
      const { value } = record.voucher;
      const state = await chain.channelState(channelOf(value));
      if (value.cumulative <= state.collected) {
        this.#openSinceMs.delete(record.channel);
        await this.#writeDown(record.channel, state.collected, state.collectTransaction);
        continue;
      }
      const since = this.#openSinceMs.get(record.channel) ?? clock.nowMs();
      this.#openSinceMs.set(record.channel, since);
      const facts = {
        vouchered: value.cumulative,
        collected: state.collected,
        reserve: state.reserve,
        thawing: state.thawing,
        jobEnded: payee.openJobs(record.channel) === 0,
        uncollectedForMs: clock.nowMs() - since,
      };
      const reason = reasonToCollect(facts, this.#options.maxAgeMs);
      if (reason !== undefined || all) due.push({ record, reason: reason ?? "asked" });
    }
    return due;
  }

  async #recordsOf(channels: ReadonlySet<Hex> | "all"): Promise<VoucherRecord[]> {
    const { vouchers } = this.#components;
    if (channels === "all") return vouchers.all("held");
    const found = await Promise.all([...channels].map((channel) => vouchers.newest("held", channel)));
    return found.filter((record) => record !== undefined);
  }

  async #collectBatch(due: readonly Due[], signal: AbortSignal): Promise<Hex | undefined> {
    const { sender, deployment, chain, logger } = this.#components;
    const collectables: Collectable[] = due.map(({ record: { voucher } }) => ({
      voucher,
      payerCluster: chain.clusterOfAccount(voucher.value.payer),
      payeeCluster: chain.clusterOfAccount(voucher.value.payee),
    }));
    // The head of the chain may hold what a confirmed block does not yet: then there is nothing left to bring.
    const isWorth = (paid: readonly bigint[]) => paid.some((amount) => amount > 0n);
    const sent = await sender.sendIf(collectCall(deployment, collectables), isWorth, signal);
    if (sent === undefined) return undefined;
    // Only what is confirmed counts: a round before that would see the voucher as open and pay gas for it again.
    await chain.whenConfirmed(sent.blockNumber, signal);
    for (const { record, reason } of due) {
      const state = await chain.channelState(channelOf(record.voucher.value));
      await this.#writeDown(record.channel, state.collected, sent.transaction, sent.blockNumber);
      const open = record.voucher.value.cumulative - state.collected;
      const facts = { channel: record.channel, reason, collected: state.collected, transaction: sent.transaction };
      if (open > 0n) logger.warn("Collection bounced", { ...facts, open });
      else {
        this.#openSinceMs.delete(record.channel);
        this.#collected.add();
        logger.info("Collect voucher", facts);
      }
    }
    return sent.transaction;
  }

  async #writeDown(channel: Hex, collected: bigint, transaction: Hex | undefined, blockNumber = 0n): Promise<void> {
    if (transaction === undefined || this.#writtenDown.get(channel) === collected) return;
    await this.#components.vouchers.putCollected({ channel, collected, transaction, blockNumber });
    this.#writtenDown.set(channel, collected);
  }

  async #hasOpen(payer: Address): Promise<boolean> {
    const { vouchers } = this.#components;
    for (const { channel, voucher } of await vouchers.all("held")) {
      if (voucher.value.payer !== payer) continue;
      if (voucher.value.cumulative > ((await vouchers.collected(channel))?.collected ?? 0n)) return true;
    }
    return false;
  }

  async #wake(): Promise<void> {
    for (const waiter of [...this.#waiters]) {
      if (await this.#hasOpen(waiter.payer)) continue;
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      waiter.resolve();
    }
  }
}
