import { setImmediate } from "node:timers/promises";
import type { ChannelState, ChannelView } from "@leat/node/chain/channel-view.ts";
import type { EscrowChannel } from "@leat/node/chain/contracts.ts";
import type { DecodedLog } from "@leat/node/chain/event-reader.ts";
import type { GasSource } from "@leat/node/chain/gas.ts";
import type { SignerEnd } from "@leat/node/chain/signer-end.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { atRisk, isWorthRescue, watchDueMs } from "@leat/node/metering/watch-rule.ts";
import type { LevelWatchStore, WatchedVoucher } from "@leat/node/store/watched-vouchers.ts";
import type { KeepAnswer, KeepRequest } from "@leat/node/wire/watch/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { type Channel, channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { VoucherSigners } from "../payment/voucher-signers.ts";
import { WatchError } from "./errors.ts";
import { KeptVouchers } from "./kept-vouchers.ts";
import type { WatchtowerOptions } from "./options.ts";
import { Rescuer, type RescuerComponents } from "./rescuer.ts";

export interface WatchtowerComponents extends RescuerComponents {
  readonly store: LevelWatchStore;
  readonly chain: Pick<ChannelView, "maySign"> &
    RescuerComponents["chain"] & {
      channelState(channel: Channel): Promise<ChannelState & EscrowChannel>;
      onEvent(listener: (log: DecodedLog) => void): () => void;
      thawSeconds(): Promise<number>;
      /** The chain's time: whoever's clock is wrong, what it ends by is this. */
      nowSeconds(): Promise<bigint>;
    };
  readonly signers: Pick<VoucherSigners, "check" | "find" | "recover">;
  /** When a channel's signer ended or will; undefined while no end is known. */
  readonly signerEnd: (channel: Channel, findSigner: () => Address | undefined) => Promise<SignerEnd | undefined>;
  /** Whether this tower works for a payee. */
  readonly serves: (payee: Address) => boolean;
  /** A balancer's own: what it issued to its members and they acknowledged. */
  readonly issued?: () => Promise<readonly Signed<Voucher>[]>;
  readonly gas: GasSource;
}

/** Pause between looks for places that nobody needs any more. */
const SWEEP_EVERY_MS = 600_000;
/** Suspects that are looked at before what is due of them is collected: after a start all are. */
const SUSPECTS_AT_ONCE = 1_000;

/** A channel on which something happened. */
interface Suspicion {
  /** Since when it is known to be at risk, by the chain's time. */
  seenAtMs: number | undefined;
}

/**
 * Keeps vouchers for payees that may be offline when a payer starts to thaw or ends the key that signed them, and
 * collects them then, to the payees.
 */
export class WatchtowerService implements Startable {
  readonly #components: WatchtowerComponents;
  readonly #options: WatchtowerOptions;
  readonly #kept: KeptVouchers;
  /** Channels that may be at risk: a look finds out, and clears those that are not. */
  readonly #suspects = new Map<Hex, Suspicion>();
  /** When the signers of kept vouchers end by themselves: no event tells it. */
  readonly #signersEndAt = new Map<Hex, bigint>();
  /** Payees whose vouchers are being judged. */
  readonly #keeping = new Set<Address>();
  readonly #looking = new Mutex();
  #isIssuedSuspect = true;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  readonly #tasks: TaskGroup;
  readonly #rescuer: Rescuer;
  #stopHearing: (() => void) | undefined;

  constructor(components: WatchtowerComponents, options: WatchtowerOptions) {
    this.#components = components;
    this.#options = options;
    this.#kept = new KeptVouchers(components.store);
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
    await this.#kept.load();
    this.#stopHearing = this.#components.chain.onEvent((log) => this.#hear(log));
    // Whatever happened while this tower was away.
    for (const { channel } of this.#kept.all()) this.#suspect(channel);
    this.#tasks.run(() => this.look());
    this.#tasks.every(this.#options.lookEveryMs, () => this.look());
  }

  async stop(): Promise<void> {
    this.#stopHearing?.();
    await this.#tasks.close();
  }

  /**
   * A payee leaves its newest vouchers. What is answered as kept is on disk.
   * @throws WATCH_BUSY while what it left before is still judged
   */
  async keep(from: Address, { vouchers }: KeepRequest): Promise<KeepAnswer> {
    if (this.#keeping.has(from)) throw new WatchError({ code: "WATCH_BUSY", from });
    this.#keeping.add(from);
    try {
      return await this.#keepAll(from, vouchers);
    } finally {
      this.#keeping.delete(from);
    }
  }

  /** Collects whatever is due now. */
  look(): Promise<void> {
    return this.#looking.run(() => this.#look());
  }

  async #keepAll(from: Address, vouchers: readonly Signed<Voucher>[]): Promise<KeepAnswer> {
    const kept: { channel: Hex; cumulative: bigint }[] = [];
    const refused: { channel: Hex; code: string }[] = [];
    for (const voucher of vouchers) {
      const channel = channelId(channelOf(voucher.value));
      try {
        const { cumulative } = await this.#keepOne(from, channel, voucher);
        kept.push({ channel, cumulative });
      } catch (error) {
        if (!isCodedError(error)) throw error;
        refused.push({ channel, code: error.code });
      }
    }
    return { kept, refused };
  }

  /** Cheap rules before costly ones, the signature last. */
  async #keepOne(from: Address, channel: Hex, voucher: Signed<Voucher>): Promise<Voucher> {
    const { chain, tokens, serves, signers } = this.#components;
    const { value } = voucher;
    const { payee } = value;
    if (!serves(payee)) throw new WatchError({ code: "WATCH_PAYEE_NOT_SERVED", payee });
    // A cluster's account is spoken for by its balancers.
    if (!(await chain.maySign(payee, from))) throw new WatchError({ code: "WATCH_PAYEE_WRONG", payee, from });
    const same = this.#kept.findSame(channel, value);
    if (same !== undefined) return same;
    if (!this.#kept.has(channel)) await this.#makeRoom(payee);
    const state = await chain.channelState(channelOf(value));
    if (isOver(value, state)) throw new WatchError({ code: "WATCH_NOTHING_OPEN", channel });
    const open = atRisk(value.cumulative - state.collected, state);
    const { leastAmount: least } = tokens.of(value.token);
    // It would never be rescued, and costs next to nothing to make: a tower could be filled with it.
    if (open < least) throw new WatchError({ code: "WATCH_TOO_LITTLE", channel, open, least });
    // What an allotted key signed counts for a thaw after its end: that is when its payee needs a tower most.
    const [nowSeconds, thawSeconds] = await Promise.all([chain.nowSeconds(), chain.thawSeconds()]);
    await signers.check(voucher, nowSeconds - BigInt(thawSeconds));
    const put = await this.#kept.put({ channel, voucher, signer: signers.recover(voucher) });
    // What happened while this was judged is found by the next look.
    this.#suspect(channel);
    return put;
  }

  async #makeRoom(payee: Address): Promise<void> {
    if (this.#kept.findFull(payee) === undefined) return;
    await this.#sweep();
    const full = this.#kept.findFull(payee);
    if (full !== undefined) throw new WatchError({ code: "WATCH_FULL", ...full });
  }

  /** Drops what would not be rescued any more. Seldom: whoever asks for room again and again gains nothing. */
  async #sweep(): Promise<void> {
    const { chain, clock, tokens } = this.#components;
    const nowMs = clock.nowMs();
    if (nowMs - this.#sweptAtMs < SWEEP_EVERY_MS) return;
    this.#sweptAtMs = nowMs;
    const over: WatchedVoucher[] = [];
    for (const watched of this.#kept.all()) {
      const { value } = watched.voucher;
      const state = await chain.channelState(channelOf(value));
      const { leastAmount } = tokens.of(value.token);
      if (isOver(value, state) || atRisk(value.cumulative - state.collected, state) < leastAmount) over.push(watched);
    }
    await this.#drop(...over);
  }

  #hear({ eventName, args }: DecodedLog): void {
    const channel = args.channel as Hex;
    if (eventName === "Collected") this.#noteCollected(channel, args.collected as bigint);
    else if (/^(ReserveThawStarted|SignerAllotted|SignerRevoked)$/.test(eventName)) this.#suspect(channel);
    // A cluster that changes hands tells it of every key.
    else if (eventName === "BalancerRemoved") this.#suspectCluster(args.cluster as bigint);
  }

  async #look(): Promise<void> {
    const { chain, gas } = this.#components;
    await this.#suspectIssued();
    if (this.#suspects.size + this.#signersEndAt.size === 0) return;
    const nowSeconds = await chain.nowSeconds();
    for (const [channel, endsAt] of this.#signersEndAt) if (endsAt <= nowSeconds) this.#suspect(channel);
    if (this.#suspects.size === 0) return;
    const issued = await this.#issued();
    const weiPerGas = await gas.gasPrice();
    const suspects = [...this.#suspects];
    for (let at = 0; at < suspects.length && !this.#tasks.signal.aborted; at += SUSPECTS_AT_ONCE) {
      const due: WatchedVoucher[] = [];
      const over: WatchedVoucher[] = [];
      try {
        for (const [channel, suspicion] of suspects.slice(at, at + SUSPECTS_AT_ONCE)) {
          if (this.#tasks.signal.aborted) return;
          // What is at hand is judged without a pause, and others want this thread too.
          await setImmediate();
          const watched = newest(this.#kept.get(channel), issued.get(channel));
          const found = watched && (await this.#judge(watched, suspicion, nowSeconds, weiPerGas));
          if (found === "due") due.push(watched!);
          else if (found === "over") over.push(watched!);
          if (found === undefined || found === "over") this.#clear(channel, suspicion);
        }
      } finally {
        await this.#drop(...over);
        await this.#rescuer.rescue(due, weiPerGas, this.#tasks.signal);
      }
    }
  }

  /** Whether a voucher has to be collected now; undefined for one that is not at risk. */
  async #judge(
    watched: WatchedVoucher,
    suspicion: Suspicion,
    nowSeconds: bigint,
    weiPerGas: bigint,
  ): Promise<"due" | "wait" | "over" | undefined> {
    const { chain, tokens } = this.#components;
    const { value } = watched.voucher;
    const state = await chain.channelState(channelOf(value));
    const end = await this.#signerEnd(watched);
    const open = value.cumulative - state.collected;
    // The payee was here itself, or another tower was; or nothing can be done any more.
    if (open <= 0n || (end !== undefined && end.countsUntil < nowSeconds)) return "over";
    const ends = [
      ...(state.thawing > 0n ? [state.thawEndsAt] : []),
      ...(end !== undefined && end.endsAt <= nowSeconds ? [end.countsUntil] : []),
    ];
    if (ends.length === 0) return undefined;
    const nowMs = Number(nowSeconds) * 1_000;
    suspicion.seenAtMs ??= nowMs;
    const endsAtMs = Math.min(...ends.map(Number)) * 1_000;
    const dueMs = watchDueMs({ seenAtMs: suspicion.seenAtMs, endsAtMs, graceMs: this.#options.graceMs });
    if (nowMs < dueMs) return "wait";
    const token = tokens.of(value.token);
    return isWorthRescue({ open: atRisk(open, state), token, claims: 1, weiPerGas }) ? "due" : "wait";
  }

  /** Remembers the end of a kept voucher's signer where it is to come. */
  async #signerEnd({ channel, voucher, signer }: WatchedVoucher): Promise<SignerEnd | undefined> {
    const { signers, signerEnd } = this.#components;
    const end = await signerEnd(channelOf(voucher.value), () => signer ?? signers.find(voucher));
    if (end !== undefined && this.#kept.has(channel)) this.#signersEndAt.set(channel, end.endsAt);
    else this.#signersEndAt.delete(channel);
    return end;
  }

  /** What a balancer knows anyway. */
  async #issued(): Promise<Map<Hex, WatchedVoucher>> {
    const issued = (await this.#components.issued?.()) ?? [];
    const watched = issued.map((voucher) => ({ channel: channelId(channelOf(voucher.value)), voucher }));
    return new Map(watched.map((one) => [one.channel, one]));
  }

  async #suspectIssued(): Promise<void> {
    if (!this.#isIssuedSuspect) return;
    for (const channel of (await this.#issued()).keys()) this.#suspect(channel);
    this.#isIssuedSuspect = false;
  }

  #suspectCluster(cluster: bigint): void {
    const { chain } = this.#components;
    for (const { channel, voucher } of this.#kept.all()) {
      if (chain.clusterOfAccount(voucher.value.payer) === cluster) this.#suspect(channel);
    }
    this.#isIssuedSuspect = true;
  }

  /** The payee, its cluster's balancer or another tower was there: the place is free for another channel. */
  #noteCollected(channel: Hex, collected: bigint): void {
    const watched = this.#kept.get(channel);
    if (watched === undefined || watched.voucher.value.cumulative > collected) return;
    this.#tasks.run(() => this.#drop(watched));
  }

  /** Another object each time: a look under way must not clear what it did not see. */
  #suspect(channel: Hex): void {
    // Without a balancer's own, only kept channels matter: others' thaws must not fill memory.
    if (this.#components.issued === undefined && !this.#kept.has(channel)) return;
    this.#suspects.set(channel, { seenAtMs: this.#suspects.get(channel)?.seenAtMs });
  }

  #clear(channel: Hex, suspicion: Suspicion): void {
    if (this.#suspects.get(channel) !== suspicion) return;
    this.#suspects.delete(channel);
    this.#rescuer.forget(channel);
  }

  async #drop(...watched: readonly WatchedVoucher[]): Promise<void> {
    for (const { channel } of await this.#kept.drop(...watched)) this.#signersEndAt.delete(channel);
  }
}

function newest(left: WatchedVoucher | undefined, right: WatchedVoucher | undefined): WatchedVoucher | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return left.voucher.value.cumulative < right.voucher.value.cumulative ? right : left;
}

/** Nothing can be collected of it: it was paid, or its channel holds nothing. */
function isOver({ cumulative }: Voucher, { collected, reserve, thawing }: ChannelState): boolean {
  return cumulative <= collected || reserve + thawing === 0n;
}
