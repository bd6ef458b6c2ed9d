import { unlessAborted } from "@leat/node/kernel/abort.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type TransferAuthorization, transferAuthorizationStructure } from "@leat/sdk/protocol/eip3009.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { formatAmount, toBaseUnits } from "@leat/sdk/protocol/units.ts";
import { Balances } from "./balances.ts";
import { type ChannelComponents, ChannelPayments } from "./channel-payments.ts";
import { PrepaidError } from "./errors.ts";
import { type ExactComponents, type ExactPaid, ExactPayments } from "./exact-payments.ts";
import type { ChannelStanding, Hold, Paid, Prepaid, PrepaidTerms, TopUp, X402Options } from "./index.ts";
import { LookLimit } from "./look-limit.ts";
import { type PaymentGas, PaymentSender, type PaymentSenderComponents } from "./payment-sender.ts";
import { type PayoutComponents, Payouts } from "./payouts.ts";
import { requireSigner } from "./require-signer.ts";

const GAS_LOOK_MS = 60_000;

/** Payments of all payers at once. What waits for the chain stands in the way of what this node sends for itself. */
const MAX_UNDER_WAY = 64;

export interface PrepaidComponents
  extends Omit<ExactComponents, "onSettled" | "sender" | "looks" | "payouts">,
    Omit<ChannelComponents, "sender" | "looks">,
    PaymentSenderComponents,
    Pick<PayoutComponents, "beneficiary"> {
  readonly metrics: MetricsRegister;
}

/** Prepaid balances of people who pay by HTTP: how they come about, and how they are spent. */
export class PrepaidService implements Prepaid, Startable {
  readonly terms: PrepaidTerms;
  readonly #components: PrepaidComponents;
  readonly #options: X402Options;
  readonly #balances: Balances;
  readonly #exact: ExactPayments;
  readonly #channel: ChannelPayments;
  readonly #payouts: Payouts;
  readonly #sender: PaymentSender;
  readonly #isTooSmall;
  readonly #tasks: TaskGroup;
  #underWay = 0;
  #wasTooSmall = false;

  constructor(components: PrepaidComponents, terms: PrepaidTerms, options: X402Options, gas: PaymentGas) {
    this.#components = components;
    this.#options = options;
    this.terms = terms;
    const { clock, logger, metrics, store } = components;
    this.#tasks = new TaskGroup({
      clock,
      onError: (error) => logger.warn("Look after prepaid balances failed", { error }),
    });
    const settled = metrics.counter({
      name: "leat_prepaid_payments_settled_total",
      help: "Payments of the exact scheme that were confirmed and counted",
    });
    this.#isTooSmall = metrics.gauge({
      name: "leat_prepaid_too_small",
      help: "1 while what is prepaid is too little for its gas: payments of the exact scheme are refused",
    });
    // While it stops, nothing is refunded any more: the rest of a request that was cut off stays spent.
    const run = (task: () => Promise<unknown>) => {
      if (!this.#tasks.signal.aborted) this.#tasks.run(task);
    };
    this.#balances = new Balances({ store, clock, run }, options.tokenSeconds);
    const sender = new PaymentSender(components, gas);
    this.#sender = sender;
    const looks = new LookLimit(clock);
    const payouts = new Payouts(components, { holder: terms.payTo, maxHeld: terms.maxHeld, ...gas });
    const onSettled = () => settled.add();
    this.#payouts = payouts;
    this.#exact = new ExactPayments({ ...components, sender, looks, payouts, onSettled }, terms);
    this.#channel = new ChannelPayments({ ...components, sender, looks }, this.#exact, terms);
  }

  async start(): Promise<void> {
    const look = async (signal: AbortSignal) => {
      await this.#exact.lookAtOpen(undefined, signal);
      await this.#components.store.dropTokens(Math.floor(this.#components.clock.nowMs() / 1_000));
    };
    // At once, for what was on its way when this node was killed; a chain that is slow must not keep it from starting.
    this.#tasks.run(look);
    this.#tasks.every(this.#options.lookEveryMs, look);
    // Apart: a chain that takes nothing must not keep what has come from being counted.
    this.#tasks.every(this.#options.lookEveryMs, (signal) => this.#exact.submitOpen(signal));
    this.#tasks.every(this.#options.lookEveryMs, (signal) => this.#payouts.look(signal));
    this.#tasks.run((signal) => this.#lookAtGas(signal));
    this.#tasks.every(GAS_LOOK_MS, (signal) => this.#lookAtGas(signal));
  }

  /** Says when no payment would be worth its gas, which whoever pays is told of and the operator otherwise not. */
  async #lookAtGas(signal: AbortSignal): Promise<void> {
    const { prepay, decimals } = this.terms;
    const least = await unlessAborted(this.#sender.leastWorth(), signal);
    const isTooSmall = least > prepay;
    this.#isTooSmall.set(isTooSmall ? 1 : 0);
    if (isTooSmall === this.#wasTooSmall) return;
    this.#wasTooSmall = isTooSmall;
    const { logger } = this.#components;
    const facts = { prepay: formatAmount(prepay, decimals), leastPrepay: formatAmount(least, decimals) };
    if (isTooSmall) logger.warn("Refuse prepayments: gas costs more than settlement.gasShare of x402.prepay", facts);
    else logger.info("Take prepayments again", facts);
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  payerOf(token: string): Promise<Address> {
    return this.#balances.payerOf(token);
  }

  async balance(payer: Address): Promise<bigint> {
    return toBaseUnits(await this.#components.store.balance(payer), this.terms.decimals);
  }

  hold(payer: Address, exact: bigint): Promise<Hold> {
    return this.#balances.hold(payer, exact);
  }

  payExact(signed: Signed<TransferAuthorization>, wantedExact: bigint): Promise<Paid> {
    const { statements, tokenDomain } = this.#components;
    const { value, signature } = signed;
    this.#exact.check(value, wantedExact);
    requireSigner(value.from, () =>
      statements.recoverSigner(transferAuthorizationStructure, tokenDomain, value, signature),
    );
    return this.#pay(value.from, (signal) => this.#exact.take(signed, wantedExact, signal));
  }

  async payVoucher(voucher: Signed<Voucher>, topUp: TopUp | undefined, wantedExact: bigint): Promise<Paid> {
    this.#channel.check(voucher);
    return this.#pay(voucher.value.payer, (signal) => this.#channel.take(voucher, topUp, wantedExact, signal));
  }

  async standing(voucher: Signed<Voucher>): Promise<ChannelStanding | undefined> {
    try {
      this.#channel.check(voucher);
    } catch {
      // What was paid here is told to nobody but its payer.
      return undefined;
    }
    return this.#channel.standing(voucher.value);
  }

  async #pay(payer: Address, take: (signal: AbortSignal) => Promise<ExactPaid>): Promise<Paid> {
    const { clock } = this.#components;
    if (this.#underWay >= MAX_UNDER_WAY) throw new PrepaidError({ code: "X402_BUSY" });
    this.#underWay += 1;
    const limit = new AbortController();
    const signal = AbortSignal.any([limit.signal, this.#tasks.signal]);
    const waiting = clock.sleep(this.#options.settleWaitMs, signal).then(
      () => limit.abort(),
      () => {},
    );
    try {
      return await this.#balances.alone(payer, async () => {
        // Its turn came too late: nothing has begun yet, and nothing must.
        if (signal.aborted) throw new PrepaidError({ code: "X402_BUSY" });
        const paid = await take(signal);
        return { payer, ...paid, ...(await this.#balances.issue(payer)) };
      });
    } finally {
      this.#underWay -= 1;
      limit.abort();
      await waiting;
    }
  }
}
