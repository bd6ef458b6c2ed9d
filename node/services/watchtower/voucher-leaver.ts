import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Host } from "@leat/node/wire/host.ts";
import { dialTower, type TowerConnection, type TowerContact } from "@leat/node/wire/watch/watch.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import { MAX_WATCH_VOUCHERS } from "@leat/sdk/protocol/limits.ts";
import type { WatchtowerOptions } from "./options.ts";

export interface VoucherLeaverComponents {
  readonly host: Host;
  readonly vouchers: Pick<VoucherStore, "all" | "collected">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

interface Tower {
  readonly contact: TowerContact;
  connection: TowerConnection | undefined;
  /** The total that it has. */
  readonly left: Map<Hex, bigint>;
  readonly refused: Map<Hex, string>;
}

/** Leaves a payee's newest vouchers with the towers that it named, so that they can collect when it cannot. */
export class VoucherLeaver implements Startable {
  readonly #components: VoucherLeaverComponents;
  readonly #options: WatchtowerOptions;
  readonly #towers: readonly Tower[];
  readonly #tasks: TaskGroup;
  readonly #kept;

  constructor(components: VoucherLeaverComponents, options: WatchtowerOptions) {
    this.#components = components;
    this.#options = options;
    this.#towers = options.towers.map(({ address, multiaddrs }) => ({
      contact: { address: toAddress(address), multiaddrs },
      connection: undefined,
      left: new Map(),
      refused: new Map(),
    }));
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.warn("Leave vouchers failed", { error }),
    });
    this.#kept = components.metrics.counter({
      name: "leat_watchtower_left_total",
      help: "Vouchers of this node that a watchtower has on disk",
    });
  }

  async start(): Promise<void> {
    if (this.#towers.length > 0) this.#tasks.every(this.#options.leaveEveryMs, () => this.leave());
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
    await Promise.all(this.#towers.map(({ connection }) => connection?.close()));
  }

  /** Brings every tower what it does not have. A tower that is away gets it the next time. */
  async leave(): Promise<void> {
    await Promise.all(
      this.#towers.map((tower) =>
        this.#leaveWith(tower).catch((error) => {
          if (!isCodedError(error)) throw error;
          this.#components.logger.info("Watchtower does not answer", {
            tower: tower.contact.address,
            code: error.code,
          });
        }),
      ),
    );
  }

  async #leaveWith(tower: Tower): Promise<void> {
    const { host, vouchers, logger } = this.#components;
    // A tower that comes back may have lost its disk. What it still has it answers at once.
    if (tower.connection === undefined) tower.left.clear();
    const news = [];
    for (const { channel, voucher } of await vouchers.all("held")) {
      const { cumulative } = voucher.value;
      const collected = (await vouchers.collected(channel))?.collected ?? 0n;
      if (cumulative > collected && cumulative > (tower.left.get(channel) ?? 0n)) news.push({ channel, voucher });
    }
    for (let at = 0; at < news.length; at += MAX_WATCH_VOUCHERS) {
      const part = news.slice(at, at + MAX_WATCH_VOUCHERS);
      tower.connection ??= await this.#dial(tower, { logger, scores: host.scores });
      const answer = await tower.connection.call("watch.keep", { vouchers: part.map(({ voucher }) => voucher) });
      for (const { channel, cumulative } of answer.kept) tower.left.set(channel, cumulative);
      this.#kept.add(answer.kept.length);
      for (const { channel, code } of answer.refused) {
        // It is tried again: what the chain does not show the tower yet may be there the next time. Said once.
        if (tower.refused.get(channel) === code) continue;
        tower.refused.set(channel, code);
        const facts = { tower: tower.contact.address, channel, code };
        // Every channel begins with little.
        if (code === "WATCH_TOO_LITTLE") logger.debug("Watchtower keeps no voucher", facts);
        else logger.warn("Watchtower keeps no voucher", facts);
      }
    }
  }

  async #dial(tower: Tower, components: { logger: Logger; scores: Host["scores"] }): Promise<TowerConnection> {
    const connection = await dialTower(this.#components.host, tower.contact, components, this.#tasks.signal);
    void connection.ended.then(() => {
      if (tower.connection === connection) tower.connection = undefined;
    });
    return connection;
  }
}
