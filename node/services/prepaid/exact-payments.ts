import { ChainError } from "@leat/node/chain/errors.ts";
import type { AuthorizationUse, TokenAuthorizations, WantedUse } from "@leat/node/chain/token-authorizations.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import type { PaymentRecord, PrepaidStore } from "@leat/node/store/prepaid.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { TransferAuthorization } from "@leat/sdk/protocol/eip3009.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { MAX_CLOCK_ERROR_SECONDS } from "@leat/sdk/protocol/limits.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import { PrepaidError } from "./errors.ts";
import type { PrepaidTerms } from "./index.ts";
import type { LookLimit } from "./look-limit.ts";
import type { PaymentSender } from "./payment-sender.ts";
import type { Payouts } from "./payouts.ts";
import { isUnsent, refusalOf } from "./refusal.ts";
import { roundUp } from "./round-up.ts";

export interface ExactComponents {
  readonly store: PrepaidStore;
  readonly tokens: TokenAuthorizations;
  readonly sender: Pick<PaymentSender, "checkOpen" | "checkWorth" | "send">;
  readonly whenConfirmed: (blockNumber: bigint, signal?: AbortSignal) => Promise<void>;
  readonly confirmedDepth: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly looks: LookLimit;
  readonly payouts: Pick<Payouts, "checkRoom">;
  readonly onSettled: () => void;
}

export interface ExactPaid {
  readonly transaction: Hex | undefined;
  /** Base units. */
  readonly amount: bigint;
}

/** An authorisation must outlive the block that it goes into. */
const LEAST_SECONDS = 6n;
/** Refused payments of one payer that are watched: each is looked for until it has ended. */
const MAX_REFUSED = 4;
/** Beyond what we ask for: clocks of clients are off by minutes. */
const CLOCK_SKEW_SECONDS = BigInt(MAX_CLOCK_ERROR_SECONDS);
/** An endpoint that lags gets so much longer to show how a nonce was used; for ever would be ever more blocks to search. */
const LATE_LOGS_SECONDS = 900n;

/**
 * Payments by `transferWithAuthorization`. Anybody who sees one may submit it, before us or instead of us: it pays this
 * node whoever does, so what counts is never our transaction but what the chain says of the nonce.
 */
export class ExactPayments {
  readonly #components: ExactComponents;
  readonly #terms: PrepaidTerms;
  /** Payments whose own request looks after them. */
  readonly #attended = new Set<Hex>();
  readonly #beginning = new Mutex();

  constructor(components: ExactComponents, terms: PrepaidTerms) {
    this.#components = components;
    this.#terms = terms;
  }

  /** Everything that can be said without the chain, the signature's own check excepted. */
  check({ to, value, validAfter, validBefore }: TransferAuthorization, wantedExact: bigint): void {
    const { payTo } = this.#terms;
    if (to !== payTo) throw new PrepaidError({ code: "X402_PAYEE_WRONG", wanted: payTo, found: to });
    const wanted = this.amountFor(wantedExact);
    if (value < wanted) throw new PrepaidError({ code: "X402_VALUE_TOO_SMALL", wanted, offered: value });
    if (value > wanted) throw new PrepaidError({ code: "X402_VALUE_TOO_LARGE", most: wanted, offered: value });
    this.checkTime(validAfter, validBefore);
  }

  checkTime(validAfter: bigint, validBefore: bigint): void {
    const now = this.#nowSeconds();
    if (validAfter >= now) throw new PrepaidError({ code: "X402_NOT_YET_VALID", validAfter });
    if (validBefore < now + LEAST_SECONDS) throw new PrepaidError({ code: "X402_EXPIRED", validBefore });
    // Its nonce is remembered for as long as it is valid.
    const latest = now + BigInt(this.#terms.timeoutSeconds) + CLOCK_SKEW_SECONDS;
    if (validBefore > latest) throw new PrepaidError({ code: "X402_VALID_TOO_LONG", validBefore, latest });
  }

  /** What a payment has to be for a request that costs so much, base units. */
  amountFor(wantedExact: bigint): bigint {
    const { prepay, decimals } = this.#terms;
    const least = roundUp(wantedExact, decimals);
    if (least > prepay) return least;
    return prepay;
  }

  /** Called alone for its payer, with the signature checked. */
  async take(
    { value: authorization, signature }: Signed<TransferAuthorization>,
    wantedExact: bigint,
    signal: AbortSignal,
  ): Promise<ExactPaid> {
    const { store, sender } = this.#components;
    const payer = authorization.from;
    const name = { payer, nonce: authorization.nonce };
    // Also a payment that was counted: what was submitted is public, so showing it again proves nothing.
    if ((await store.payment(name)) !== undefined) throw nonceUsed(name.nonce);
    await this.#settleOpen(payer, signal);
    const held = await store.balance(payer);
    // Not submitted, so nobody but its signer and this node ever sees it.
    if (held > 0n && held >= wantedExact) return { transaction: undefined, amount: 0n };
    const known = await store.payments(payer);
    if (known.filter(({ state }) => state === "refused").length >= MAX_REFUSED) {
      throw new PrepaidError({ code: "X402_TOO_MANY_REFUSED", most: MAX_REFUSED });
    }
    sender.checkOpen();
    const fromBlock = await this.#checkOnChain(authorization);
    await sender.checkWorth(authorization.value);
    const pending: PaymentRecord = { ...recordOf(authorization), fromBlock, state: "pending", signature };
    await this.#begin(pending, signal);
    return this.#attend(pending, signature, signal, true);
  }

  /** One after the other, so that many at once find no more room than there is. */
  #begin(pending: PaymentRecord, signal: AbortSignal): Promise<void> {
    const { store, payouts } = this.#components;
    return this.#beginning.run(async () => {
      const open = (await store.payments()).filter(({ state }) => state === "pending");
      await payouts.checkRoom(open.reduce((sum, { value }) => sum + value, 0n)).catch((cause) => {
        throw cause instanceof ChainError ? new PrepaidError({ code: "X402_CHAIN_UNAVAILABLE" }, { cause }) : cause;
      });
      // The chain was slow: nothing has begun yet, and nobody waits for it any more.
      if (signal.aborted) throw new PrepaidError({ code: "X402_BUSY" });
      if (!(await store.begin(pending))) throw nonceUsed(pending.nonce);
    });
  }

  /**
   * Submits what no request looks after any more and the chain has not seen: its node was killed before it did, or too
   * much was to be sent before it. What is on its way, or has come, the chain refuses; that costs nothing.
   */
  async submitOpen(signal: AbortSignal, payer?: Address): Promise<void> {
    for (const record of await this.#components.store.payments(payer)) {
      const { state, signature, nonce, validBefore } = record;
      if (signal.aborted || state !== "pending" || signature === undefined || this.#attended.has(nonce)) continue;
      if (validBefore < this.#nowSeconds() + LEAST_SECONDS) continue;
      await this.#attend(record, signature, signal).catch((error) => {
        // It is told to its payer, who asks again; what became of it stands in its record.
        if (!(error instanceof PrepaidError)) throw error;
      });
    }
  }

  async #attend(record: PaymentRecord, signature: Hex, signal: AbortSignal, isNew = false): Promise<ExactPaid> {
    this.#attended.add(record.nonce);
    try {
      return await this.#settle(record, signature, signal, isNew);
    } catch (cause) {
      if (!(cause instanceof ChainError) && !signal.aborted) throw cause;
      // It may be on its way: whoever looks next, we or the payer, finds out.
      throw new PrepaidError({ code: "X402_PAYMENT_PENDING" }, { cause });
    } finally {
      this.#attended.delete(record.nonce);
    }
  }

  /** Looks at every open payment that no request looks after: after a restart, all of them. */
  async lookAtOpen(payer?: Address, signal?: AbortSignal): Promise<void> {
    const { store, tokens, confirmedDepth } = this.#components;
    const open = (await store.payments(payer)).filter(({ nonce }) => !this.#attended.has(nonce));
    if (open.length === 0) return;
    const confirmed = await tokens.head(confirmedDepth);
    // Together: what strangers leave open must not cost calls one by one.
    const watched = open.filter(({ state }) => state !== "credited");
    const uses = await tokens.findUses(watched.map(wantedOf), signal);
    for (const record of open) {
      const at = watched.indexOf(record);
      const isWatched = at >= 0;
      const use = isWatched ? await this.#count(record, uses[at], confirmed.blockNumber) : undefined;
      // It can still be used, or was counted just now, or is used in a block that is not confirmed.
      if (confirmed.timestamp < record.validBefore || use?.paid) continue;
      // Shown again by somebody, it must be refused as too old or as known: by our clock, which may be set back.
      const passed = this.#nowSeconds() - record.validBefore;
      if (passed < CLOCK_SKEW_SECONDS) continue;
      const mayCome = isWatched && use === undefined && passed < CLOCK_SKEW_SECONDS + LATE_LOGS_SECONDS;
      if (mayCome && (await tokens.isUsed(record.payer, record.nonce))) {
        // Cancelled after it had ended, or used in a block that the endpoint asked does not show: its payer may go on.
        await store.refuse(record);
        continue;
      }
      await store.forget(record);
    }
  }

  #nowSeconds(): bigint {
    return BigInt(Math.floor(this.#components.clock.nowMs() / 1_000));
  }

  /** The block that the search for the payment's use may begin with. */
  async #checkOnChain({ from, nonce, value }: TransferAuthorization): Promise<bigint> {
    const { tokens, looks } = this.#components;
    looks.take();
    const unavailable = (cause: unknown) => {
      throw new PrepaidError({ code: "X402_CHAIN_UNAVAILABLE" }, { cause });
    };
    // Alone and first: an empty account, which costs nobody anything, ends here.
    const found = await tokens.balanceOf(from).catch(unavailable);
    if (found < value) throw new PrepaidError({ code: "X402_FUNDS_SHORT", wanted: value, found });
    const [isUsed, head] = await Promise.all([tokens.isUsed(from, nonce), tokens.head()]).catch(unavailable);
    // Used before we knew of it: nothing is counted that we did not see begin.
    if (isUsed) throw nonceUsed(nonce);
    return head.blockNumber;
  }

  /** @param isNew Nobody has seen it but its payer and this node. */
  async #settle(record: PaymentRecord, signature: Hex, signal: AbortSignal, isNew: boolean): Promise<ExactPaid> {
    const { tokens, sender, store, logger, whenConfirmed, confirmedDepth } = this.#components;
    let failure: unknown;
    try {
      await sender.send(tokens.transferCall(authorizationOf(record), signature), signal);
    } catch (error) {
      if (!isCodedError(error)) throw error;
      failure = error;
      logger.info("Settle payment failed", { code: error.code });
    }
    const use = await tokens.findUse(wantedOf(record));
    if (use !== undefined) {
      await whenConfirmed(use.blockNumber, signal);
      const confirmed = await tokens.head(confirmedDepth);
      const paid = await this.#count(record, await tokens.findUse(wantedOf(record)), confirmed.blockNumber);
      if (paid === undefined) throw new PrepaidError({ code: "X402_PAYMENT_PENDING" });
      if (!paid.paid) throw nonceUsed(record.nonce);
      return { transaction: paid.transaction, amount: record.value };
    }
    const refusal = failure instanceof ChainError ? refusalOf(failure) : undefined;
    if (refusal !== undefined) {
      // What was sent once stays valid, so it is watched on; but it does not keep its payer from paying in another way.
      if (isNew && isUnsent(failure as ChainError)) await store.forget(record);
      else await store.refuse(record);
      throw refusal;
    }
    throw new PrepaidError({ code: "X402_PAYMENT_PENDING" }, { cause: failure });
  }

  /** The use of the record's nonce if it is confirmed, counted if it paid us. */
  async #count(record: PaymentRecord, use: AuthorizationUse | undefined, confirmedBlock: bigint) {
    const { store, logger, onSettled } = this.#components;
    if (use === undefined || use.blockNumber > confirmedBlock) return undefined;
    if (!use.paid) {
      await store.refuse(record);
      return use;
    }
    if (await store.credit(record, toExact(record.value, this.#terms.decimals))) {
      onSettled();
      logger.info("Count payment", { transaction: use.transaction, value: record.value });
    }
    return use;
  }

  /** A payer with a payment on its way pays no second one: it may have paid already. */
  async #settleOpen(payer: Address, signal: AbortSignal): Promise<void> {
    const { store } = this.#components;
    const isPending = async () => (await store.payments(payer)).some(({ state }) => state === "pending");
    if (!(await isPending())) return;
    await this.lookAtOpen(payer).catch((cause) => {
      throw new PrepaidError({ code: "X402_PAYMENT_PENDING" }, { cause });
    });
    if (await isPending()) await this.submitOpen(signal, payer);
    if (await isPending()) throw new PrepaidError({ code: "X402_PAYMENT_PENDING" });
  }
}

function recordOf({ from, to, nonce, value, validAfter, validBefore }: TransferAuthorization) {
  return { payer: from, nonce, payTo: to, value, validAfter, validBefore };
}

function authorizationOf({
  payer,
  payTo,
  nonce,
  value,
  validAfter,
  validBefore,
}: PaymentRecord): TransferAuthorization {
  return { from: payer, to: payTo, nonce, value, validAfter, validBefore };
}

function wantedOf(record: PaymentRecord): WantedUse {
  return { authorization: authorizationOf(record), fromBlock: record.fromBlock };
}

function nonceUsed(nonce: Hex): PrepaidError {
  return new PrepaidError({ code: "X402_NONCE_USED", nonce });
}
