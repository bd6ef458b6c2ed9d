import type { Clock } from "@leat/node/kernel/clock.ts";
import type { DurableFacts } from "@leat/node/kernel/durable-facts.ts";
import type { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { PublicClient } from "viem";
import type { ChainWallet } from "./clients.ts";
import { ChainError, chainErrorOf } from "./errors.ts";
import { type Fees, firstFees } from "./fees.ts";
import { type GasBudget, type Outgoing, TransactionBook } from "./transaction-book.ts";
import { type DriverOptions, readEmptyGas, readFees, signForm, TransactionDriver } from "./transaction-driver.ts";

export interface UnderWayComponents {
  readonly publicClient: PublicClient;
  readonly wallet: ChainWallet;
  readonly facts: DurableFacts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tasks: TaskGroup;
  /** Whether somebody waits for a turn whose gas does not come from that budget. */
  readonly isWaiting: (besides: GasBudget | undefined) => boolean;
}

export interface UnderWayOptions extends DriverOptions {
  /** Whoever waits is told CHAIN_NOT_CONFIRMED after so long. */
  readonly waitMs: number;
}

/** Nonces that are filled at most where some were left out. More than this is somebody's lie or loss. */
const MAX_GAP = 16;

/** What one key signed and has no end yet: who brings each to its end, and that no hole keeps the later ones back. */
export class TransactionsUnderWay {
  readonly #components: UnderWayComponents;
  readonly #options: UnderWayOptions;
  readonly #address: Address;
  readonly #drivers = new Map<number, TransactionDriver>();
  #book: Promise<TransactionBook> | undefined;

  constructor(components: UnderWayComponents, options: UnderWayOptions) {
    this.#components = components;
    this.#options = options;
    this.#address = components.wallet.account.address.toLowerCase() as Address;
  }

  get size(): number {
    return this.#drivers.size;
  }

  /** Until everything was seen in a block. */
  async waitForAll(patience: AbortSignal): Promise<void> {
    // A gap that is being filled adds drivers while we wait.
    for (let size = -1; size !== this.#drivers.size; ) {
      size = this.#drivers.size;
      for (const driver of [...this.#drivers.values()]) await this.wait(driver, driver.included, patience);
    }
  }

  /**
   * What was confirmed and is on the chain no more, since a reorganisation went below the confirmed depth, comes first:
   * else the same would be paid for twice. A count that is too low costs a look at receipts and nothing else.
   */
  async bringBack(book: TransactionBook): Promise<void> {
    const newest = book.newest();
    if (newest === undefined) return;
    const { publicClient } = this.#components;
    const count = await publicClient
      .getTransactionCount({ address: this.#address, blockTag: "latest" })
      .catch((error) => {
        throw chainErrorOf(error, "eth_getTransactionCount", this.#address);
      });
    for (let nonce = Math.max(count, newest.nonce - MAX_GAP); nonce <= newest.nonce; nonce += 1) {
      if (!this.#drivers.has(nonce)) await this.#driveAgain(book, nonce);
    }
  }

  async #driveAgain(book: TransactionBook, nonce: number): Promise<boolean> {
    const known = book.get(nonce);
    if (known === undefined) return false;
    const { ended, ...pending } = known;
    await book.put(pending);
    this.drive(book, pending);
    return true;
  }

  /** On disk when it resolves. */
  async write(book: TransactionBook, fees: Fees, plan: Omit<Outgoing, "forms">): Promise<Outgoing> {
    const form = await signForm(this.#components.wallet, plan, fees, this.#components.clock.nowMs());
    const outgoing = { ...plan, forms: [form] };
    await book.put(outgoing);
    return outgoing;
  }

  /** Read from the disk once; what was pending then is under way again. */
  book(): Promise<TransactionBook> {
    this.#book ??= this.#open();
    // A disk that failed is asked again.
    this.#book.catch(() => {
      this.#book = undefined;
    });
    return this.#book;
  }

  async #open(): Promise<TransactionBook> {
    const { facts, wallet, logger } = this.#components;
    const book = await TransactionBook.open(facts, wallet.chain.id, this.#address);
    const pending = book.pending();
    if (pending.length > 0) logger.info("Take up pending transactions", { count: pending.length });
    for (const outgoing of pending) this.drive(book, outgoing);
    return book;
  }

  /** Brings one to its end, beside all others. */
  drive(book: TransactionBook, outgoing: Outgoing): TransactionDriver {
    const { publicClient, wallet, clock, logger, isWaiting } = this.#components;
    const onGap = (from: number, to: number) => this.#fill(book, from, to);
    const isInTheWay = ({ budget, nonce }: Outgoing) =>
      isWaiting(budget) || book.pending().some((one) => one.nonce > nonce && one.budget?.name !== budget?.name);
    const components = { publicClient, wallet, book, clock, logger, onGap, isInTheWay };
    const driver = new TransactionDriver(components, this.#options, outgoing);
    this.#drivers.set(outgoing.nonce, driver);
    this.#components.tasks.run(async (signal) => {
      await driver.run(signal);
      this.#drivers.delete(driver.nonce);
    });
    return driver;
  }

  /** Uses up nonces that nothing of ours holds, so that what waits behind them can come. */
  async #fill(book: TransactionBook, from: number, to: number): Promise<void> {
    const { publicClient, logger, clock } = this.#components;
    if (to - from > MAX_GAP) {
      logger.error("Nonces missing: too many to fill", { from, to });
      return;
    }
    for (let nonce = from; nonce < to; nonce += 1) {
      if (this.#drivers.has(nonce)) continue;
      if (await this.#driveAgain(book, nonce)) continue;
      const { baseFee, tip } = await readFees(publicClient);
      const fees = firstFees(baseFee, tip, this.#options.limits);
      const gas = await readEmptyGas(publicClient, this.#address);
      const cost = gas * (fees?.maxFeePerGas ?? 0n);
      if (fees === undefined || book.committed(clock.nowMs()) + cost > this.#options.limits.dailyBudget) return;
      logger.warn("Fill a gap of nonces", { nonce });
      const head = await publicClient.getBlockNumber();
      const place = { nonce, sinceBlock: max(head - BigInt(this.#options.confirmedDepth), 0n) };
      const plan = { ...place, purpose: "cancel", to: this.#address, data: "0x", gas } as const;
      this.drive(book, await this.write(book, fees, plan));
    }
  }

  /** @throws CHAIN_NOT_CONFIRMED after `waitMs`; the transaction goes on */
  async wait<T>(driver: TransactionDriver, what: Promise<T>, patience: AbortSignal): Promise<T> {
    const { clock } = this.#components;
    const done = new AbortController();
    const late = clock.sleep(this.#options.waitMs, AbortSignal.any([patience, done.signal])).then(() => {
      throw new ChainError({ code: "CHAIN_NOT_CONFIRMED", transaction: driver.newest.hash });
    });
    try {
      return await Promise.race([what, late]);
    } finally {
      late.catch(() => {});
      done.abort();
    }
  }
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
