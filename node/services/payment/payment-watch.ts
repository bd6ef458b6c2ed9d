import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { runwaySeconds } from "@leat/node/metering/runway.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import { type Static, Type } from "typebox";
import type { ChannelStatus } from "./index.ts";
import { describePayments } from "./payment-metrics.ts";

export const runwayOptions = Type.Object(
  {
    lookEveryMs: Type.Integer({
      default: 10_000,
      minimum: 500,
      maximum: 600_000,
      description: "Pause between looks at how long the money of payers lasts, milliseconds",
    }),
    warnBelowMs: Type.Integer({
      default: 3_600_000,
      minimum: 0,
      description: "Money that lasts for less is warned of, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type PaymentSide = "payee" | "payer";
/** `idle`: nothing is spent now. `dry`: nothing is left. */
export type RunwayState = "idle" | "ok" | "low" | "dry";

export interface WatchedChannel extends ChannelStatus {
  readonly side: PaymentSide;
  /** Base units in the payer's pool: they can be reserved, or withdrawn at once, and are worth nothing as a promise. */
  readonly pool: bigint;
  readonly runwayState: RunwayState;
}

/** All channels of one side in one token. As payer the pool counts to the runway, as payee it does not. */
export interface PaymentTotals {
  readonly side: PaymentSide;
  readonly token: Address;
  readonly channels: number;
  readonly unpaidExact: bigint;
  /** Base units. */
  readonly vouchered: bigint;
  readonly collected: bigint;
  readonly reserve: bigint;
  readonly pool: bigint;
  readonly canLoseExact: bigint;
  readonly exactPerSecond: bigint;
  readonly runwaySeconds: bigint | undefined;
}

export interface PaymentReport {
  readonly channels: readonly WatchedChannel[];
  readonly totals: readonly PaymentTotals[];
}

export interface PaymentWatchComponents {
  readonly sides: readonly { readonly side: PaymentSide; readonly status: () => Promise<readonly ChannelStatus[]> }[];
  readonly pool: (account: Address, token: Address) => Promise<bigint>;
  /** Tokens by the names that metrics may show. */
  readonly tokens: Readonly<Record<string, Address>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Watches what every counterparty owes, holds and can still pay, and warns before its money ends. */
export class PaymentWatch implements Startable {
  readonly #components: PaymentWatchComponents;
  readonly #options: Static<typeof runwayOptions>;
  readonly #tasks: TaskGroup;
  readonly #pools = new Map<string, bigint>();
  /** The worst that was told of each that runs out, until it has money again. */
  readonly #low = new Map<string, "low" | "dry">();
  readonly #listeners = new Set<(channel: WatchedChannel) => void>();
  readonly #tell: (channels: readonly WatchedChannel[]) => void;

  constructor(components: PaymentWatchComponents, options: Static<typeof runwayOptions>) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.warn("Watch payers failed", { error }),
    });
    this.#tell = describePayments(components.metrics, components.tokens);
  }

  async start(): Promise<void> {
    this.#tasks.every(this.#options.lookEveryMs, () => this.look());
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  /** Called once each time that a channel's money begins to end, and once more when it has. Answers how to stop. */
  onLow(listener: (channel: WatchedChannel) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How everything stands now; pools as of the last look, those of payers that spend nothing as of when they last did. */
  async report(): Promise<PaymentReport> {
    const lists = await Promise.all(
      this.#components.sides.map(async ({ side, status }) =>
        (await status()).map((channel): WatchedChannel => {
          const pool = this.#pools.get(poolKey(channel)) ?? 0n;
          return { ...channel, side, pool, runwayState: this.#stateOf(channel) };
        }),
      ),
    );
    const channels = lists.flat();
    this.#tell(channels);
    return { channels, totals: totalsOf(channels) };
  }

  /** Reads the pools that matter anew and warns of whoever runs out. */
  async look(): Promise<void> {
    const { pool } = this.#components;
    // Of every payer that ever was there each pool costs a call, and only who spends can run out of it.
    const wanted = (await this.report()).channels.filter((one) => isInUse(one) || !this.#pools.has(poolKey(one)));
    const payers = new Map(wanted.map((status) => [poolKey(status), status.channel]));
    for (const [key, { payer, token }] of payers) this.#pools.set(key, await pool(payer, token));
    for (const channel of (await this.report()).channels) this.#judge(channel);
  }

  #stateOf({ freeExact, exactPerSecond, runwaySeconds: seconds }: ChannelStatus): RunwayState {
    if (seconds === undefined) return "idle";
    if (freeExact < exactPerSecond) return "dry";
    return seconds * 1_000n < BigInt(this.#options.warnBelowMs) ? "low" : "ok";
  }

  #judge(channel: WatchedChannel): void {
    const { side, channelId, runwayState, reserve, pool } = channel;
    const key = `${side}/${channelId}`;
    if (runwayState === "ok" || runwayState === "idle") {
      if (this.#low.delete(key) && runwayState === "ok") {
        this.#components.logger.info("Payer has money again", { side, channel: channelId, reserve });
      }
      return;
    }
    const told = this.#low.get(key);
    if (told === "dry" || told === runwayState) return;
    this.#low.set(key, runwayState);
    const runway = channel.runwaySeconds;
    const { payer } = channel.channel;
    const facts = { side, channel: channelId, payer, state: runwayState, runwaySeconds: runway, reserve, pool };
    this.#components.logger.warn("Payer runs out of money", facts);
    for (const listener of this.#listeners) listener(channel);
  }
}

/** Our own money is always looked at. */
function isInUse({ side, unpaidExact, runwayState }: WatchedChannel): boolean {
  return side === "payer" || unpaidExact > 0n || runwayState !== "idle";
}

function poolKey({ channel }: ChannelStatus): Hex {
  return `${channel.payer}${channel.token.slice(2)}`;
}

export function totalsOf(channels: readonly WatchedChannel[]): PaymentTotals[] {
  const groups = Map.groupBy(channels, ({ side, channel }) => `${side}/${channel.token}`);
  return [...groups.values()].map((group) => {
    const { side, channel, decimals } = group[0]!;
    const sum = (of: (one: WatchedChannel) => bigint) => group.reduce((total, one) => total + of(one), 0n);
    // One pool stands behind all channels of its payer.
    const pools = new Map(group.map((one) => [one.channel.payer, one.pool]));
    const pool = [...pools.values()].reduce((total, one) => total + one, 0n);
    const exactPerSecond = sum((one) => one.exactPerSecond);
    const freeExact = sum((one) => one.freeExact) + (side === "payer" ? toExact(pool, decimals) : 0n);
    return {
      side,
      token: channel.token,
      channels: group.length,
      unpaidExact: sum((one) => one.unpaidExact),
      vouchered: sum((one) => one.vouchered),
      collected: sum((one) => one.collected),
      reserve: sum((one) => one.reserve),
      pool,
      canLoseExact: sum((one) => one.canLoseExact),
      exactPerSecond,
      runwaySeconds: runwaySeconds(freeExact, exactPerSecond),
    };
  });
}
