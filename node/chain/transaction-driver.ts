import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { keccak256, type PublicClient, type TransactionReceipt } from "viem";
import { type BroadcastResult, broadcast } from "./broadcast.ts";
import type { ChainWallet } from "./clients.ts";
import { reasonOf } from "./errors.ts";
import type { Fees, GasLimits } from "./fees.ts";
import { findUse } from "./nonces.ts";
import { chooseReplacement, type Replacement } from "./replacement.ts";
import { isEmpty, type Outgoing, type SignedForm, type TransactionBook } from "./transaction-book.ts";

export interface DriverComponents {
  readonly publicClient: PublicClient;
  readonly wallet: ChainWallet;
  readonly book: TransactionBook;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A nonce before this one stays unused: what was to use it is lost, or never was. */
  readonly onGap: (from: number, to: number) => Promise<void>;
  /** Whether something waits behind it that is paid from elsewhere. */
  readonly isInTheWay: (outgoing: Outgoing) => boolean;
}

export interface DriverOptions {
  readonly lookEveryMs: number;
  readonly confirmedDepth: number;
  readonly limits: GasLimits;
}

/** `emptied`: by a form of ours that does nothing. */
export type Outcome =
  | { readonly how: "mined"; readonly receipt: TransactionReceipt }
  | { readonly how: "taken" | "emptied" };

/** Looks between two times that the same bytes are handed out. */
const LOOKS_UNTIL_AGAIN = 8;
/** Looks that a lower nonce may be open before it counts as a gap: counts that endpoints give lag and lie. */
const LOOKS_UNTIL_GAP = 6;
/** Looks at a used nonce that nobody can be found to have used, before it counts as used all the same. */
const LOOKS_UNTIL_BELIEVED = 40;

/**
 * Brings one nonce to its end: hands out the signed bytes until a form of them is in a block, and watches it there up to
 * the confirmed depth. What vanishes from a block is handed out again; what is stuck gets higher fees under the same
 * nonce, or is emptied where its budget has no more and others wait. It ends in one of two ways, both read from the
 * chain: mined, or the nonce was used by somebody else.
 */
export class TransactionDriver {
  readonly #components: DriverComponents;
  readonly #options: DriverOptions;
  readonly #included = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Outcome>();
  #outgoing: Outgoing;
  #looksUntilBroadcast = 0;
  #looksAtGap = 0;
  #looksAtUse = 0;
  #isIncluded = false;
  #hasWarned = false;

  constructor(components: DriverComponents, options: DriverOptions, outgoing: Outgoing) {
    this.#components = components;
    this.#options = options;
    this.#outgoing = outgoing;
    // Both may be left without anybody who waits.
    this.#included.promise.catch(() => {});
    this.#ended.promise.catch(() => {});
  }

  get nonce(): number {
    return this.#outgoing.nonce;
  }

  /** The form that was signed last. */
  get newest(): SignedForm {
    return this.#outgoing.forms.at(-1)!;
  }

  /** Resolves when it was seen in a block, or has ended: what comes next may be judged by the head of the chain. */
  get included(): Promise<void> {
    return this.#included.promise;
  }

  get ended(): Promise<Outcome> {
    return this.#ended.promise;
  }

  /** Runs until it has ended or the signal aborts; then both promises reject with its reason. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#components;
    try {
      for (;;) {
        try {
          const outcome = await this.#look();
          if (outcome !== undefined) {
            this.#included.resolve();
            this.#ended.resolve(outcome);
            return;
          }
        } catch (error) {
          if (signal.aborted) throw error;
          logger.warn("Look for transaction failed", { nonce: this.nonce, reason: reasonOf(error) });
        }
        await clock.sleep(this.#options.lookEveryMs, signal);
      }
    } catch (error) {
      this.#included.reject(error);
      this.#ended.reject(error);
      throw error;
    }
  }

  async #look(): Promise<Outcome | undefined> {
    const { publicClient } = this.#components;
    // The head first: a receipt that is read after it stands at least as deep as it seems.
    const head = await publicClient.getBlockNumber();
    const found = await this.#findReceipt();
    if (found !== undefined) {
      const { receipt } = found;
      this.#isIncluded = true;
      this.#included.resolve();
      const confirming = receipt.blockNumber + BigInt(this.#options.confirmedDepth);
      if (head < confirming) return undefined;
      // A head is a number that anybody can say; the block has to be there, and ours still in the chain below it.
      await publicClient.getBlock({ blockNumber: confirming });
      const { hash } = await publicClient.getBlock({ blockNumber: receipt.blockNumber });
      if (hash !== receipt.blockHash) return undefined;
      return await this.#endMined(found);
    }
    if (this.#isIncluded) {
      this.#components.logger.warn("Send transaction again: its block was replaced", { nonce: this.nonce });
      this.#isIncluded = false;
      this.#looksUntilBroadcast = 0;
    }
    const count = await publicClient.getTransactionCount({ address: this.#address, blockTag: "latest" });
    if (count > this.nonce && (await this.#isTaken(head))) return await this.#endTaken(head);
    await this.#push(count);
    return undefined;
  }

  get #address(): Address {
    return this.#components.wallet.account.address.toLowerCase() as Address;
  }

  async #findReceipt(): Promise<{ readonly form: SignedForm; readonly receipt: TransactionReceipt } | undefined> {
    for (const form of this.#outgoing.forms.toReversed()) {
      const { hash } = form;
      const receipt = await this.#components.publicClient.getTransactionReceipt({ hash }).catch((error) => {
        if ((error as Error).name === "TransactionReceiptNotFoundError") return undefined;
        throw error;
      });
      if (receipt !== undefined) return { form, receipt };
    }
    return undefined;
  }

  /** Hands out what is due: the same bytes, or a form with higher fees. */
  async #push(count: number): Promise<void> {
    const { clock, onGap } = this.#components;
    if (count < this.nonce) {
      this.#looksAtGap += 1;
      if (this.#looksAtGap % LOOKS_UNTIL_GAP === 0) await onGap(count, this.nonce);
    } else this.#looksAtGap = 0;
    const isStuck = clock.nowMs() - this.newest.signedAtMs >= this.#options.limits.stuckAfterMs;
    if (isStuck && count === this.nonce) await this.#replace();
    if (this.#looksUntilBroadcast > 0) {
      this.#looksUntilBroadcast -= 1;
      return;
    }
    await this.#broadcast();
  }

  async #broadcast(): Promise<void> {
    const { publicClient, logger } = this.#components;
    this.#looksUntilBroadcast = LOOKS_UNTIL_AGAIN;
    const { hash, raw } = this.newest;
    const { result, reason } = await broadcast(publicClient, raw);
    const facts = { purpose: this.#outgoing.purpose, nonce: this.nonce, transaction: hash, result };
    if (result === "taken" || result === "known") logger.debug("Send transaction", facts);
    else logger.warn("Send transaction found resistance", { ...facts, reason });
    if (result === "unknown") this.#looksUntilBroadcast = 1;
    await this.#warnOf(result);
  }

  async #warnOf(result: BroadcastResult): Promise<void> {
    if (result !== "funds short" || this.#hasWarned) return;
    this.#hasWarned = true;
    const { logger } = this.#components;
    logger.error("Send transaction needs gas: send ether to this node's address", { address: this.#address });
  }

  /** The same nonce at a price that replaces the form before. */
  async #replace(): Promise<void> {
    const { wallet, book, clock, logger } = this.#components;
    const chosen = await this.#choose();
    if (chosen === undefined) {
      if (!this.#hasWarned) {
        logger.warn("Raise fees failed: the ceiling of fees or the day's budget is reached", { nonce: this.nonce });
      }
      this.#hasWarned = true;
      return;
    }
    const { how, fees } = chosen;
    const nowMs = clock.nowMs();
    const form =
      how === "raise"
        ? await signForm(wallet, this.#outgoing, fees, nowMs)
        : await signEmptyForm(wallet, this.nonce, chosen.gas, fees, nowMs);
    const replaced = { ...this.#outgoing, forms: [...this.#outgoing.forms, form] };
    await book.put(replaced);
    this.#outgoing = replaced;
    this.#looksUntilBroadcast = 0;
    const facts = { nonce: this.nonce, transaction: form.hash, maxFeePerGas: fees.maxFeePerGas };
    if (how === "raise") logger.info("Raise fees of a stuck transaction", facts);
    else logger.warn("Empty a stuck transaction: its budget is used up and others wait", facts);
  }

  async #choose(): Promise<Replacement | undefined> {
    const { publicClient, book, clock, isInTheWay } = this.#components;
    return chooseReplacement({
      outgoing: this.#outgoing,
      book,
      nowMs: clock.nowMs(),
      ...(await readFees(publicClient)),
      limits: this.#options.limits,
      emptyGas: () => readEmptyGas(publicClient, this.#address),
      isInTheWay: isInTheWay(this.#outgoing),
    });
  }

  /** Whether somebody else's transaction with this nonce is in a confirmed block. */
  async #isTaken(head: bigint): Promise<boolean> {
    const { publicClient, logger } = this.#components;
    const confirmed = head - BigInt(this.#options.confirmedDepth);
    const { sinceBlock, forms } = this.#outgoing;
    if (confirmed <= sinceBlock) return false;
    const use = await findUse(publicClient, this.#address, this.nonce, sinceBlock, confirmed);
    if (use !== undefined && use !== "unknowable") {
      this.#looksAtUse = 0;
      return !forms.some(({ hash }) => hash === use);
    }
    this.#looksAtUse += 1;
    if (use === undefined || this.#looksAtUse < LOOKS_UNTIL_BELIEVED) return false;
    logger.error("Nonce used by a transaction that the endpoint can no longer show", { nonce: this.nonce });
    return (await this.#findReceipt()) === undefined;
  }

  async #endMined({ form, receipt }: { form: SignedForm; receipt: TransactionReceipt }): Promise<Outcome> {
    const { book, clock } = this.#components;
    const ended = { how: "mined", blockNumber: receipt.blockNumber } as const;
    const wei = receipt.gasUsed * receipt.effectiveGasPrice + dataFeeOfReceipt(receipt);
    await book.end(this.nonce, ended, { atMs: clock.nowMs(), wei }, form);
    return isEmpty(form) ? { how: "emptied" } : { how: "mined", receipt };
  }

  async #endTaken(head: bigint): Promise<Outcome> {
    const { book, clock, logger } = this.#components;
    const { purpose } = this.#outgoing;
    if (purpose !== "cancel")
      logger.error("Nonce used by another program with this key", { nonce: this.nonce, purpose });
    await book.end(this.nonce, { how: "taken", blockNumber: head }, { atMs: clock.nowMs(), wei: 0n });
    return { how: "taken" };
  }
}

/** What a chain of the OP Stack took for the data, beside gas: a field of its own in the receipt. */
function dataFeeOfReceipt(receipt: TransactionReceipt & { readonly l1Fee?: unknown }): bigint {
  const { l1Fee } = receipt;
  if (typeof l1Fee === "bigint") return l1Fee;
  return typeof l1Fee === "string" && /^0x[0-9a-f]+$/i.test(l1Fee) ? BigInt(l1Fee) : 0n;
}

/** Signs without sending. */
export async function signForm(
  wallet: ChainWallet,
  { nonce, to, data, gas }: Pick<Outgoing, "nonce" | "to" | "data" | "gas">,
  fees: Fees,
  signedAtMs: number,
): Promise<SignedForm> {
  const { account, chain } = wallet;
  if (account.type !== "local") throw new Error("The sender needs a key of this process.");
  const raw: Hex = await account.signTransaction({ type: "eip1559", chainId: chain.id, nonce, to, data, gas, ...fees });
  return { hash: keccak256(raw), raw, signedAtMs, ...fees };
}

/** Signs what uses up a nonce and does nothing else. */
export async function signEmptyForm(
  wallet: ChainWallet,
  nonce: number,
  gas: bigint,
  fees: Fees,
  signedAtMs: number,
): Promise<SignedForm> {
  const to = wallet.account.address.toLowerCase() as Address;
  return { ...(await signForm(wallet, { nonce, to, data: "0x", gas }, fees, signedAtMs)), emptyGas: gas };
}

/** Gas of a transaction that does nothing: 21,000, and on some rollups the place of its bytes on the chain below too. */
export async function readEmptyGas(client: PublicClient, address: Address): Promise<bigint> {
  const gas = await client.estimateGas({ account: address, to: address });
  return (gas * 6n) / 5n;
}

/** What the newest block asks for a unit of gas, and the tip that the endpoint advises. */
export async function readFees(client: PublicClient): Promise<{ readonly baseFee: bigint; readonly tip: bigint }> {
  const [block, tip] = await Promise.all([
    client.getBlock({ blockTag: "latest" }),
    // Not every endpoint knows the method; a token tip is mined wherever blocks are not full.
    client.estimateMaxPriorityFeePerGas().catch(() => 1_000_000n),
  ]);
  return { baseFee: block.baseFeePerGas ?? 0n, tip };
}
