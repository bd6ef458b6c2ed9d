import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import { reserveWithAuthorizationCall } from "@leat/node/chain/contracts.ts";
import { ChainError } from "@leat/node/chain/errors.ts";
import type { TokenAuthorizations } from "@leat/node/chain/token-authorizations.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Payee } from "@leat/node/services/payment/index.ts";
import type { PrepaidStore } from "@leat/node/store/prepaid.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { receiveAuthorizationStructure, reserveNonce } from "@leat/sdk/protocol/eip3009.ts";
import { type Address, type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import { nextUsageRoot } from "@leat/sdk/protocol/merkle.ts";
import { type Voucher, voucherStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import { PrepaidError } from "./errors.ts";
import type { ExactPaid, ExactPayments } from "./exact-payments.ts";
import type { ChannelStanding, PrepaidTerms, TopUp } from "./index.ts";
import type { LookLimit } from "./look-limit.ts";
import type { PaymentSender } from "./payment-sender.ts";
import { refusalOf } from "./refusal.ts";
import { requireSigner } from "./require-signer.ts";
import { roundUp } from "./round-up.ts";

export interface ChannelComponents {
  readonly store: PrepaidStore;
  readonly vouchers: Pick<VoucherStore, "newest">;
  readonly payee: Pick<Payee, "accept">;
  readonly chain: ChannelView & { clusterOfAccount(account: Address): bigint };
  readonly tokens: TokenAuthorizations;
  readonly sender: Pick<PaymentSender, "checkWorth" | "send">;
  readonly whenConfirmed: (blockNumber: bigint, signal?: AbortSignal) => Promise<void>;
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  readonly tokenDomain: Domain;
  readonly deployment: Deployment;
  readonly looks: LookLimit;
  readonly clock: Clock;
}

/** A reserve and what it should have, base units. */
interface Lack {
  readonly wanted: bigint;
  readonly reserve: bigint;
}

/** What the chain said so long ago is told again. */
const SEEN_MS = 1_000;
const MAX_SEEN = 1_024;

/**
 * Payments by voucher: the newest total of the channel from the payer to this node, accepted and kept by the same
 * payee that keeps those of clusters. What it grows by is prepaid; the reserve stands behind it on chain.
 */
export class ChannelPayments {
  readonly #components: ChannelComponents;
  readonly #exact: Pick<ExactPayments, "checkTime">;
  readonly #terms: PrepaidTerms;
  /** What the chain said of channels, oldest first. */
  readonly #seen = new Map<Hex, { readonly state: Omit<ChannelStanding, "held">; readonly atMs: number }>();

  constructor(components: ChannelComponents, exact: Pick<ExactPayments, "checkTime">, terms: PrepaidTerms) {
    this.#components = components;
    this.#exact = exact;
    this.#terms = terms;
  }

  /** Whose voucher it is, and that it is for us. */
  check({ value, signature }: Signed<Voucher>): void {
    const { statements, domain, chain } = this.#components;
    const { payTo, asset } = this.#terms;
    const { payer, payee, token, cluster, clusterPpm } = value;
    if (payee !== payTo) throw new PrepaidError({ code: "X402_PAYEE_WRONG", wanted: payTo, found: payee });
    if (token !== asset) throw new PrepaidError({ code: "X402_ASSET_WRONG", wanted: asset, found: token });
    if (cluster !== 0n || clusterPpm !== 0)
      throw new PrepaidError({ code: "X402_SHARE_UNWANTED", cluster, clusterPpm });
    // Its vouchers pay for jobs: counted here as well, one total would pay twice.
    if (chain.clusterOfAccount(payer) !== 0n) throw new PrepaidError({ code: "X402_PAYER_IS_CLUSTER", payer });
    requireSigner(payer, () => statements.recoverSigner(voucherStructure, domain, value, signature));
  }

  /** Called alone for its payer, with `check` passed. */
  async take(
    voucher: Signed<Voucher>,
    topUp: TopUp | undefined,
    wantedExact: bigint,
    signal: AbortSignal,
  ): Promise<ExactPaid> {
    const { store, payee, vouchers, looks } = this.#components;
    const { value } = voucher;
    const id = channelId(channelOf(value));
    const held = (await vouchers.newest("held", id))?.voucher.value;
    // Whose vouchers are held here is no stranger, unless a top-up is to be looked into.
    if (held === undefined || topUp !== undefined) looks.take();
    checkNext(value, held);
    const before = held?.cumulative ?? 0n;
    const amount = value.cumulative - before;
    // First: a payer asks with a voucher over nothing, and must not be told that it is too small while the chain is away.
    const lacking = await this.#findLack(value);
    await this.#checkAmount(value.payer, amount, wantedExact);
    // Last: a top-up costs this node gas, and is submitted only for a voucher that will be taken.
    const transaction = await this.#cover(value, lacking, topUp, signal);
    await store.openChannel(id, before);
    try {
      const offer = { voucher, kind: "prepay", receiptsRoot: zeroHash, receiptHashes: [] } as const;
      if (!("acknowledged" in (await payee.accept(offer)))) throw notNext(value.seq);
    } catch (cause) {
      throw translate(cause, value);
    }
    const exactOf = (baseUnits: bigint) => toExact(baseUnits, this.#terms.decimals);
    await store.creditVoucher(id, value.payer, value.cumulative, exactOf);
    return { transaction, amount };
  }

  /**
   * How the voucher's channel stands, for whoever is told that it was not enough. What was looked at a moment ago is not
   * asked for again: a refusal must not cost a call to the chain each time.
   * @throws X402_BUSY for a stranger that was turned away unseen
   */
  async standing(voucher: Voucher): Promise<ChannelStanding> {
    const { vouchers, looks, clock } = this.#components;
    const id = channelId(channelOf(voucher));
    const held = (await vouchers.newest("held", id))?.voucher;
    const seen = this.#seen.get(id);
    if (seen !== undefined && clock.nowMs() - seen.atMs <= SEEN_MS) return { ...seen.state, held };
    if (held === undefined) looks.take();
    return { ...(await this.#look(voucher)), held };
  }

  async #look(voucher: Voucher): Promise<Omit<ChannelStanding, "held">> {
    const { chain, clock } = this.#components;
    const channel = channelOf(voucher);
    const { reserve, collected } = await chain.channelState(channel);
    const state = { reserve, collected };
    this.#seen.delete(channelId(channel));
    this.#seen.set(channelId(channel), { state, atMs: clock.nowMs() });
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value!);
    return state;
  }

  async #checkAmount(payer: Address, offered: bigint, wantedExact: bigint): Promise<void> {
    const { decimals, prepay } = this.#terms;
    const balance = await this.#components.store.balance(payer);
    const least = atLeastOne(roundUp(wantedExact > balance ? wantedExact - balance : 0n, decimals));
    if (offered < least) throw new PrepaidError({ code: "X402_VALUE_TOO_SMALL", wanted: least, offered });
    // What was asked for is never too much; beyond it, a payer never has more to lose here than the bound.
    const asked = atLeastOne(roundUp(wantedExact, decimals));
    if (offered > asked && balance + toExact(offered, decimals) > toExact(prepay, decimals)) {
      throw new PrepaidError({ code: "X402_VALUE_TOO_LARGE", most: prepay, offered });
    }
  }

  /** Sees to it that the reserve covers the voucher, with the top-up where it does not yet. */
  async #cover(
    voucher: Voucher,
    lacking: Lack | undefined,
    topUp: TopUp | undefined,
    signal: AbortSignal,
  ): Promise<Hex | undefined> {
    if (lacking === undefined) return undefined;
    if (topUp === undefined) throw new PrepaidError({ code: "X402_RESERVE_SHORT", ...lacking });
    const { prepay: least } = this.#terms;
    if (topUp.value < least) {
      throw new PrepaidError({ code: "X402_TOP_UP_TOO_SMALL", wanted: least, offered: topUp.value });
    }
    if (lacking.reserve + topUp.value < lacking.wanted) {
      throw new PrepaidError({ code: "X402_RESERVE_SHORT", ...lacking });
    }
    const transaction = await this.#topUp(voucher.payer, topUp, signal);
    const still = await this.#findLack(voucher);
    if (still !== undefined) throw new PrepaidError({ code: "X402_RESERVE_SHORT", ...still });
    return transaction;
  }

  /**
   * What the reserve lacks, if anything. A payee takes vouchers on a thawing reserve for work that
   * was done; this one is for what is still to be served.
   */
  async #findLack(voucher: Voucher): Promise<Lack | undefined> {
    const { reserve, collected } = await this.#look(voucher).catch((cause) => {
      throw new PrepaidError({ code: "X402_CHAIN_UNAVAILABLE" }, { cause });
    });
    const wanted = voucher.cumulative - collected;
    return wanted > reserve ? { wanted, reserve } : undefined;
  }

  /** Submits a top-up, unless somebody did already: it goes to the same channel whoever submits it. */
  async #topUp(payer: Address, topUp: TopUp, signal: AbortSignal): Promise<Hex | undefined> {
    const { tokens, sender, statements, tokenDomain, deployment, whenConfirmed } = this.#components;
    const { payTo: payee, asset } = this.#terms;
    const { value, validAfter, validBefore, salt, signature } = topUp;
    const nonce = reserveNonce({ payee, cluster: 0n, clusterPpm: 0 }, salt);
    const authorization = { from: payer, to: deployment.escrow, value, validAfter, validBefore, nonce };
    requireSigner(payer, () =>
      statements.recoverSigner(receiveAuthorizationStructure, tokenDomain, authorization, signature),
    );
    try {
      if (await tokens.isUsed(payer, nonce)) return await this.#confirm(undefined, signal);
      this.#exact.checkTime(validAfter, validBefore);
      const found = await tokens.balanceOf(payer);
      if (found < value) throw new PrepaidError({ code: "X402_FUNDS_SHORT", wanted: value, found });
      await sender.checkWorth(value);
      const call = reserveWithAuthorizationCall(deployment, { payee, token: asset, payer, ...topUp });
      const sent = await sender.send(call, signal);
      await whenConfirmed(sent.blockNumber, signal);
      return sent.transaction;
    } catch (cause) {
      // It may be on its way: sent again, it is found or does nothing twice.
      if (signal.aborted) throw new PrepaidError({ code: "X402_PAYMENT_PENDING" }, { cause });
      if (!(cause instanceof ChainError)) throw cause;
      // Somebody may have been faster; then the money is in the reserve all the same.
      const isReverted = cause.detail.code === "CHAIN_REVERTED";
      if (isReverted && (await tokens.isUsed(payer, nonce).catch(() => false))) {
        return await this.#confirm(undefined, signal);
      }
      throw refusalOf(cause) ?? new PrepaidError({ code: "X402_PAYMENT_PENDING" }, { cause });
    }
  }

  /** The reserve that somebody else's transaction brought counts once its block is confirmed. */
  async #confirm(transaction: undefined, signal: AbortSignal): Promise<undefined> {
    const { blockNumber } = await this.#components.tokens.head();
    await this.#components.whenConfirmed(blockNumber, signal);
    return transaction;
  }
}

/** One that is not new proves nothing: the chain shows every voucher that was collected. */
function checkNext({ seq, usageRoot }: Voucher, held: Voucher | undefined): void {
  const next = (held?.seq ?? 0n) + 1n;
  if (seq !== next || usageRoot !== nextUsageRoot(held?.usageRoot ?? zeroHash, next, zeroHash)) throw notNext(seq);
}

/** What the payee may still say, its reserve being checked: another voucher came in between. */
function translate(cause: unknown, voucher: Voucher): unknown {
  if (!isCodedError(cause)) return cause;
  switch (cause.code) {
    case "VOUCHER_CHAIN_UNKNOWN":
    case "VOUCHER_ROOT_WRONG":
    case "VOUCHER_FENCED":
      return notNext(voucher.seq);
    case "CHAIN_UNREACHABLE":
      return new PrepaidError({ code: "X402_CHAIN_UNAVAILABLE" }, { cause });
    default:
      return cause;
  }
}

function atLeastOne(amount: bigint): bigint {
  return amount > 0n ? amount : 1n;
}

function notNext(seq: bigint): PrepaidError {
  return new PrepaidError({ code: "X402_VOUCHER_NOT_NEXT", seq });
}
