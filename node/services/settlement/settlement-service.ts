import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import { type Collectable, collectCall, collectForCall, collectGroups } from "@leat/node/chain/contracts.ts";
import type { DecodedLog } from "@leat/node/chain/event-reader.ts";
import type { GasSource } from "@leat/node/chain/gas.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { Turns } from "@leat/node/kernel/turns.ts";
import { gasOfClaim, isWorthGas } from "@leat/node/metering/collect-rule.ts";
import type { VoucherRecord, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Payee } from "@leat/node/services/payment/index.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { DueFinder } from "./due-finder.ts";
import type { SettlementOptions } from "./options.ts";
import type { TokenValues } from "./token-values.ts";
import { type Due, type Plan, planTransactions } from "./transactions.ts";

/** The chain as settlement needs it: `RegistryView`. */
export interface SettlementChain extends ChannelView {
  clusterOfAccount(account: Address): bigint;
  /** How long a voucher counts at least once its reserve thaws or its signer has ended. */
  thawSeconds(): Promise<number>;
  operatorOf(node: Address): Address | undefined;
  whenConfirmed(blockNumber: bigint, signal?: AbortSignal): Promise<void>;
  onEvent(listener: (log: DecodedLog) => void): () => void;
}

export interface SettlementComponents {
  readonly vouchers: VoucherStore;
  readonly payee: Pick<Payee, "openJobs" | "onChange">;
  readonly chain: SettlementChain;
  readonly sender: Pick<ChainSender, "sendIf">;
  readonly gas: GasSource;
  readonly tokens: Pick<TokenValues, "of">;
  /** At a balancer: the cluster's account, whose members are paid along with what its buyers' vouchers bring. */
  readonly membersOf?: Address;
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

/** Many channels that change one by one are looked at together; one alone at once. */
const LOOK_TURNS = { everyMs: 250, atOnce: 4, most: Number.POSITIVE_INFINITY };

export class SettlementService implements Settlement, Startable {
  readonly #components: SettlementComponents;
  readonly #options: SettlementOptions;
  readonly #finder: DueFinder;
  readonly #tasks: TaskGroup;
  readonly #mutex = new Mutex();
  readonly #collected;
  #listening: (() => void)[] = [];
  readonly #lookTurns = new Turns(LOOK_TURNS);
  #looking = false;
  /** What the next look is for: channels that changed, or all. */
  #toLookAt: Set<Hex> | "all" = new Set();
  /** What the store has of the chain already. */
  readonly #writtenDown = new Map<Hex, bigint>();
  #waiters: { payer: Address; resolve: () => void; reject: (error: unknown) => void }[] = [];

  constructor(components: SettlementComponents, options: SettlementOptions) {
    this.#components = components;
    this.#options = options;
    this.#finder = new DueFinder(components, options, (channel, { collected, collectTransaction }) =>
      this.#writeDown(channel, collected, collectTransaction),
    );
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
        // Somebody else may have collected for us: a cluster's balancer, or a watchtower.
        if (log.eventName === "ReserveThawStarted" || log.eventName === "Collected")
          this.#look([log.args.channel as Hex]);
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

  /** One look at everything, by the rule; resolves when what it sent is confirmed. Answers the transactions. */
  collectDue(): Promise<Hex[]> {
    return this.#mutex.run(() => this.#collect(false, this.#tasks.signal));
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
          await this.#lookTurns.next();
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
    const due = await this.#finder.findDue(await this.#recordsOf(toLookAt), all);
    const transactions: Hex[] = [];
    if (due.length > 0) {
      const most = await this.#finder.mostClaims();
      for (const plan of planTransactions(due, await this.#finder.findMembers(due), most)) {
        transactions.push(...(await this.#carryOut(plan, signal)));
      }
    }
    await this.#wake();
    return transactions;
  }

  async #recordsOf(channels: ReadonlySet<Hex> | "all"): Promise<VoucherRecord[]> {
    const { vouchers } = this.#components;
    if (channels === "all") return vouchers.all("held");
    const found = await Promise.all([...channels].map((channel) => vouchers.newest("held", channel)));
    return found.filter((record) => record !== undefined);
  }

  async #carryOut(plan: Plan, signal: AbortSignal): Promise<Hex[]> {
    const { chain } = this.#components;
    const due = plan.kind === "collect" ? plan.due : [...plan.buyers, ...plan.members];
    const { sent, isPartWorth } = await this.#send(plan, due, signal);
    if (sent === undefined) {
      // What pays nothing may stand beside what does: apart, the second is worth its gas.
      if (plan.kind !== "collect" || !isPartWorth || due.length < 2) return [];
      const middle = due.length >> 1;
      const halves = [due.slice(0, middle), due.slice(middle)];
      const plans = halves.flatMap((half) => planTransactions(half, [], half.length));
      const transactions: Hex[] = [];
      for (const part of plans) transactions.push(...(await this.#carryOut(part, signal)));
      return transactions;
    }
    // Only what is confirmed counts: a round before that would see the voucher as open and pay gas for it again.
    await chain.whenConfirmed(sent.blockNumber, signal);
    for (const one of due) await this.#confirm(one, sent.transaction, sent.blockNumber);
    return [sent.transaction];
  }

  /** Sends a transaction when what a simulation says it pays is worth its gas, or when somebody asked for it. */
  async #send(plan: Plan, due: readonly Due[], signal: AbortSignal) {
    const { sender, deployment, tokens } = this.#components;
    const weiPerGas = await this.#finder.gasPrice();
    const claims = due.length;
    const isAsked = due.some(({ reason }) => reason === "asked");
    const paidIn = plan.kind === "collect" ? collectGroups(plan.collectables).map(tokenOf) : [plan.token, plan.token];
    const values = paidIn.map((token) => tokens.of(token));
    let isPartWorth = false;
    // The head of the chain may hold what a confirmed block does not yet: then there is nothing left to bring.
    const isWorth = (amounts: readonly bigint[]) => {
      if (isAsked) return amounts.some((paid) => paid > 0n);
      const payments = amounts.map((paid, at) => ({ paid, token: values[at]! }));
      isPartWorth = isWorthGas(payments, gasOfClaim(1), weiPerGas);
      return isWorthGas(payments, gasOfClaim(claims) * BigInt(claims), weiPerGas);
    };
    const vouchersOf = (list: readonly Due[]) => list.map(({ record }) => record.voucher);
    const sent =
      plan.kind === "collect"
        ? await sender.sendIf(collectCall(deployment, plan.collectables), isWorth, signal)
        : await sender.sendIf(
            collectForCall(deployment, plan.cluster, plan.token, vouchersOf(plan.buyers), vouchersOf(plan.members)),
            isWorth,
            signal,
          );
    return { sent, isPartWorth };
  }

  async #confirm({ record, reason }: Due, transaction: Hex, blockNumber: bigint): Promise<void> {
    const { chain, logger } = this.#components;
    const { channel, voucher } = record;
    const { collected } = await chain.channelState(channelOf(voucher.value));
    await this.#writeDown(channel, collected, transaction, blockNumber);
    const open = voucher.value.cumulative - collected;
    const facts = { channel, reason, collected, transaction };
    if (open > 0n) logger.warn("Collection bounced", { ...facts, open });
    else {
      this.#finder.forget(channel);
      this.#collected.add();
      logger.info("Collect voucher", facts);
    }
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

function tokenOf(group: readonly Collectable[]): Address {
  return group[0]!.voucher.value.token;
}
