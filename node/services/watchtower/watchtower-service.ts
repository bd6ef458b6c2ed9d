import type { ChannelState, ChannelView } from "@leat/node/chain/channel-view.ts";
import type { DecodedLog } from "@leat/node/chain/event-reader.ts";
import type { GasSource } from "@leat/node/chain/gas.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { atRisk, isWorthRescue, watchDueMs } from "@leat/node/metering/watch-rule.ts";
import type { LevelWatchStore, WatchedVoucher } from "@leat/node/store/watched-vouchers.ts";
import type { KeepAnswer, KeepRequest } from "@leat/node/wire/watch/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { MAX_WATCHED, MAX_WATCHED_OF_PAYEE } from "@leat/sdk/protocol/limits.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { WatchError } from "./errors.ts";
import type { WatchtowerOptions } from "./options.ts";
import { Rescuer, type RescuerComponents } from "./rescuer.ts";

export interface WatchtowerComponents extends RescuerComponents {
  readonly store: LevelWatchStore;
  readonly chain: Pick<ChannelView, "channelState" | "maySign"> &
    RescuerComponents["chain"] & { onEvent(listener: (log: DecodedLog) => void): () => void };
  /** Seconds since 1970 at which what thaws on a channel is free; 0 while nothing thaws. */
  readonly thawEndsAt: (channel: Hex) => Promise<bigint>;
  /** Refuses a voucher that its signer may not have signed. */
  readonly checkSigner: (voucher: Signed<Voucher>) => Promise<unknown>;
  /** Whether this tower works for a payee. */
  readonly serves: (payee: Address) => boolean;
  /** A balancer's own: what it issued to its members and they acknowledged. */
  readonly issued?: () => Promise<readonly Signed<Voucher>[]>;
  readonly gas: GasSource;
}

/** Pause between looks for places that nobody needs any more. */
const SWEEP_EVERY_MS = 600_000;

/** Keeps vouchers for payees that may be offline when a payer starts to thaw, and collects them then, to the payees. */
export class WatchtowerService implements Startable {
  readonly #components: WatchtowerComponents;
  readonly #options: WatchtowerOptions;
  readonly #kept = new Map<Hex, WatchedVoucher>();
  readonly #keptOf = new Map<Address, number>();
  /** Channels that thaw, and since when that is known. */
  readonly #thawing = new Map<Hex, number>();
  readonly #mutex = new Mutex();
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  readonly #tasks: TaskGroup;
  readonly #rescuer: Rescuer;
  #stopHearing: (() => void) | undefined;

  constructor(components: WatchtowerComponents, options: WatchtowerOptions) {
    this.#components = components;
    this.#options = options;
    this.#rescuer = new Rescuer(components, options.gasBudget);
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.warn("Watch channels failed", { error }),
    });
    components.metrics.gauge({
      name: "leat_watchtower_channels",
      help: "Channels that vouchers are kept of",
      collect: () => this.#kept.size,
    });
  }

  async start(): Promise<void> {
    const { store, chain } = this.#components;
    for (const kept of await store.all()) this.#remember(kept);
    this.#stopHearing = chain.onEvent(({ eventName, args }) => {
      if (eventName === "ReserveThawStarted") this.#noteThaw(args.channel as Hex);
      if (eventName === "Collected") this.#noteCollected(args.channel as Hex, args.collected as bigint);
    });
    // What was collected and what started to thaw while this tower was away.
    this.#tasks.run(async (signal) => {
      for (const watched of await this.#known()) {
        if (signal.aborted) return;
        const state = await chain.channelState(channelOf(watched.voucher.value));
        if (isOver(watched.voucher.value, state)) await this.#mutex.run(() => this.#drop(watched));
        else if (state.thawing > 0n) this.#noteThaw(watched.channel);
      }
      await this.look();
    });
    this.#tasks.every(this.#options.lookEveryMs, () => this.look());
  }

  async stop(): Promise<void> {
    this.#stopHearing?.();
    await this.#tasks.close();
  }

  /** A payee leaves its newest vouchers. What is answered as kept is on disk. */
  async keep(from: Address, { vouchers }: KeepRequest): Promise<KeepAnswer> {
    const kept: { channel: Hex; cumulative: bigint }[] = [];
    const refused: { channel: Hex; code: string }[] = [];
    for (const voucher of vouchers) {
      const channel = channelId(channelOf(voucher.value));
      try {
        const { cumulative } = await this.#mutex.run(() => this.#keepOne(from, channel, voucher));
        kept.push({ channel, cumulative });
      } catch (error) {
        if (!isCodedError(error)) throw error;
        refused.push({ channel, code: error.code });
      }
    }
    return { kept, refused };
  }

  /** Collects whatever is due now. */
  look(): Promise<void> {
    return this.#mutex.run(() => this.#look());
  }

  /** Cheap rules before costly ones, the signature last. */
  async #keepOne(from: Address, channel: Hex, voucher: Signed<Voucher>): Promise<Voucher> {
    const { chain, store, serves, checkSigner } = this.#components;
    const { value } = voucher;
    const { payee } = value;
    if (!serves(payee)) throw new WatchError({ code: "WATCH_PAYEE_NOT_SERVED", payee });
    // A cluster's account is spoken for by its balancers.
    if (!(await chain.maySign(payee, from))) throw new WatchError({ code: "WATCH_PAYEE_WRONG", payee, from });
    const held = this.#kept.get(channel)?.voucher.value;
    if (held !== undefined && value.cumulative <= held.cumulative) {
      if (value.cumulative === held.cumulative) return held;
      const totals = { held: held.cumulative, offered: value.cumulative };
      throw new WatchError({ code: "WATCH_VOUCHER_STALE", channel, ...totals });
    }
    if (held === undefined) await this.#checkRoom(payee);
    const state = await chain.channelState(channelOf(value));
    if (isOver(value, state)) {
      throw new WatchError({ code: "WATCH_NOTHING_OPEN", channel });
    }
    await checkSigner(voucher);
    await store.put({ channel, voucher });
    this.#remember({ channel, voucher });
    if (state.thawing > 0n) this.#noteThaw(channel);
    return value;
  }

  async #checkRoom(payee: Address): Promise<void> {
    if (this.#findFull(payee) === undefined) return;
    await this.#sweep();
    const full = this.#findFull(payee);
    if (full !== undefined) throw new WatchError({ code: "WATCH_FULL", ...full });
  }

  #findFull(payee: Address): { held: number; most: number } | undefined {
    const own = this.#keptOf.get(payee) ?? 0;
    if (own >= MAX_WATCHED_OF_PAYEE) return { held: own, most: MAX_WATCHED_OF_PAYEE };
    const held = this.#kept.size;
    return held >= MAX_WATCHED ? { held, most: MAX_WATCHED } : undefined;
  }

  /** Drops what nothing can be collected of any more. Seldom: whoever asks for room again and again gains nothing. */
  async #sweep(): Promise<void> {
    const { chain, clock } = this.#components;
    const nowMs = clock.nowMs();
    if (nowMs - this.#sweptAtMs < SWEEP_EVERY_MS) return;
    this.#sweptAtMs = nowMs;
    const over: WatchedVoucher[] = [];
    for (const watched of this.#kept.values()) {
      const { value } = watched.voucher;
      if (isOver(value, await chain.channelState(channelOf(value)))) over.push(watched);
    }
    await this.#drop(...over);
  }

  async #look(): Promise<void> {
    const { chain, clock, gas, tokens, thawEndsAt } = this.#components;
    if (this.#thawing.size === 0) return;
    const due: WatchedVoucher[] = [];
    const known = new Map((await this.#known()).map((one) => [one.channel, one]));
    const weiPerGas = await gas.gasPrice();
    for (const [channel, seenAtMs] of this.#thawing) {
      const watched = known.get(channel);
      const state = watched && (await chain.channelState(channelOf(watched.voucher.value)));
      if (watched === undefined || state === undefined || state.thawing === 0n) {
        this.#endThaw(channel);
        continue;
      }
      const open = watched.voucher.value.cumulative - state.collected;
      if (open <= 0n) {
        // The payee was here itself, or another tower was.
        this.#endThaw(channel);
        await this.#drop(watched);
        continue;
      }
      const endsAtMs = Number(await thawEndsAt(channel)) * 1_000;
      if (clock.nowMs() < watchDueMs({ seenAtMs, endsAtMs, graceMs: this.#options.graceMs })) continue;
      const token = tokens.of(watched.voucher.value.token);
      if (isWorthRescue({ open: atRisk(open, state), token, claims: 1, weiPerGas })) due.push(watched);
    }
    await this.#rescuer.rescue(due, weiPerGas, this.#tasks.signal);
  }

  /** What is kept for others, and what a balancer knows anyway. */
  async #known(): Promise<WatchedVoucher[]> {
    const issued = (await this.#components.issued?.()) ?? [];
    const own = issued.map((voucher) => ({ channel: channelId(channelOf(voucher.value)), voucher }));
    return [...own, ...this.#kept.values()];
  }

  /** The payee, its cluster's balancer or another tower was there: the place is free for another channel. */
  #noteCollected(channel: Hex, collected: bigint): void {
    const isPaid = () => (this.#kept.get(channel)?.voucher.value.cumulative ?? collected + 1n) <= collected;
    if (!isPaid()) return;
    this.#tasks.run(() =>
      this.#mutex.run(async () => {
        if (isPaid()) await this.#drop(this.#kept.get(channel)!);
      }),
    );
  }

  #noteThaw(channel: Hex): void {
    // Without a balancer's own, only kept channels matter: others' thaws must not fill memory.
    if (this.#components.issued === undefined && !this.#kept.has(channel)) return;
    if (!this.#thawing.has(channel)) this.#thawing.set(channel, this.#components.clock.nowMs());
  }

  #endThaw(channel: Hex): void {
    this.#thawing.delete(channel);
    this.#rescuer.forget(channel);
  }

  #remember(kept: WatchedVoucher): void {
    const { payee } = kept.voucher.value;
    if (!this.#kept.has(kept.channel)) this.#keptOf.set(payee, (this.#keptOf.get(payee) ?? 0) + 1);
    this.#kept.set(kept.channel, kept);
  }

  /** Unless a newer one took its place meanwhile. */
  async #drop(...watched: readonly WatchedVoucher[]): Promise<void> {
    const still = watched.filter((one) => this.#kept.get(one.channel) === one);
    if (still.length > 0) await this.#components.store.remove(...still);
    for (const { channel, voucher } of still) {
      this.#kept.delete(channel);
      this.#giveBack(voucher.value.payee);
    }
  }

  #giveBack(payee: Address): void {
    const left = (this.#keptOf.get(payee) ?? 1) - 1;
    if (left > 0) this.#keptOf.set(payee, left);
    else this.#keptOf.delete(payee);
  }
}

/** Nothing can be collected of it: it was paid, or its channel holds nothing. */
function isOver({ cumulative }: Voucher, { collected, reserve, thawing }: ChannelState): boolean {
  return cumulative <= collected || reserve + thawing === 0n;
}
