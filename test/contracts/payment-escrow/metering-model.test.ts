import assert from "node:assert/strict";
import fc from "fast-check";
import { type CollectFacts, type CollectRules, reasonToCollect } from "../../../node/metering/collect-rule.ts";
import { freeReserve } from "../../../node/metering/credit.ts";
import { canLoseExact, Ledger, nextCumulative } from "../../../node/metering/ledger.ts";
import { judgeOffer, nextVoucher } from "../../../node/metering/voucher-rules.ts";
import { packTotal } from "../../../sdk/protocol/channel.ts";
import { merkleRoot } from "../../../sdk/protocol/merkle.ts";
import { type Voucher, voucherStructure } from "../../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../../sdk/protocol/statements.ts";
import { exactPerBaseUnit, toExact } from "../../../sdk/protocol/units.ts";
import { type Actor, type ChannelKey, thawSeconds, useWorld } from "../support/world.ts";

const decimals = 6;
const creditLimit = toExact(500n, decimals);
const hour = 3_600_000;
const rules: CollectRules = {
  maxAgeMs: hour,
  maxPostponeMs: hour,
  urgentPpm: 800_000,
  gasPpm: 100_000,
  spikePpm: 3_000_000,
};

type Step =
  | { readonly kind: "deposit" | "reserve" | "thaw" | "withdraw" | "work" | "overSign"; readonly amount: bigint }
  | { readonly kind: "thawMost" | "cancel" | "release" | "wait" | "replay" | "collect" };

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

/** What the ledgers of both sides say of one channel, beside the chain. */
class Books {
  pool = 0n;
  reserve = 0n;
  thawing = 0n;
  collected = 0n;
  earned = 0n;
  held: Voucher | undefined;
  readonly payer = new Ledger({ decimals, bookedExact: 0n, vouchered: 0n });
  readonly payee = new Ledger({ decimals, bookedExact: 0n, vouchered: 0n });

  get vouchered(): bigint {
    return this.held?.cumulative ?? 0n;
  }

  get facts(): CollectFacts {
    const { vouchered, collected, reserve, thawing } = this;
    return { vouchered, collected, reserve, thawing, jobEnded: false, uncollectedForMs: 0 };
  }

  /** What a payee takes: everything that it is still owed stands in the reserve, or thaws there. */
  covers(cumulative: bigint): boolean {
    return cumulative - this.collected <= this.reserve + this.thawing;
  }
}

describe("PaymentEscrow and our own ledger", function () {
  this.timeout(300_000);
  const world = useWorld();
  let buyer: Actor;
  let operator: Actor;
  let key: ChannelKey;

  const write = (name: string, args: readonly unknown[]) => world().write(buyer.wallet, "escrow", name, args);
  const channelArgs = () => [0n, key.payee, key.token, 0n, 0];

  async function begin(): Promise<Books> {
    await world().reset();
    buyer = await world().actor(20);
    const joined = await world().join(3);
    operator = joined.operator;
    key = world().key(buyer.address, joined.node.address);
    return new Books();
  }

  async function collect(books: Books): Promise<void> {
    const { held } = books;
    if (held === undefined) return;
    const { r, vs } = toCompactSignature(await buyer.signer.sign(voucherStructure, world().domain, held));
    const claim = { payer: held.payer, total: packTotal(held), usageRoot: held.usageRoot, r, vs };
    const receipt = await world().write(operator.wallet, "escrow", "collect", [[world().group(key, [claim])]]);
    assert.deepEqual(world().events(receipt, "Bounced"), [], "what was accepted is always there");
    const owed = books.vouchered - books.collected;
    const fromReserve = least(owed, books.reserve);
    const fromPool = least(owed - fromReserve, books.pool);
    books.reserve -= fromReserve;
    books.pool -= fromPool;
    books.thawing -= owed - fromReserve - fromPool;
    books.collected += owed;
    books.earned += owed;
  }

  /** The payer signs for its booked work, the payee judges as its service does. */
  function exchange(books: Books, workExact: bigint): void {
    books.payer.book(workExact);
    const cumulative = nextCumulative(books.payer.bookedExact, books.payer.vouchered, decimals);
    const receiptsRoot = merkleRoot([]);
    const voucher = nextVoucher(key, books.held, { cumulative, receiptsRoot });
    const verdict = judgeOffer(books.held, { voucher, receiptsRoot, receiptHashes: [] });
    if (verdict !== "next" || !books.covers(cumulative)) {
      // Refused: the payer takes the work back, as one that cannot reserve more ends the job.
      books.payer.forfeit(workExact);
      return;
    }
    books.payee.book(workExact);
    books.payer.cover(cumulative);
    books.payee.cover(cumulative);
    books.held = voucher;
  }

  async function thaw(books: Books, amount: bigint): Promise<void> {
    if (amount === 0n || amount > books.reserve) return;
    await write("thaw", [...channelArgs(), amount]);
    books.reserve -= amount;
    books.thawing += amount;
  }

  async function run(books: Books, step: Step): Promise<void> {
    switch (step.kind) {
      case "deposit":
        await world().deposit(buyer, step.amount);
        books.pool += step.amount;
        return;
      case "reserve":
        if (step.amount > books.pool) return;
        await write("reserve", [...channelArgs(), step.amount]);
        books.pool -= step.amount;
        books.reserve += step.amount;
        return;
      case "thaw":
        return await thaw(books, step.amount);
      case "thawMost":
        // What is left covers less than what is owed: the payee can lose.
        return await thaw(books, books.reserve - books.reserve / 10n);
      case "cancel":
        if (books.thawing === 0n) return;
        await write("cancelThaw", channelArgs());
        books.reserve += books.thawing;
        books.thawing = 0n;
        return;
      case "release":
        if (books.thawing === 0n) return;
        await world().wait(thawSeconds);
        await write("release", channelArgs());
        books.pool += books.thawing;
        books.thawing = 0n;
        return;
      case "withdraw":
        if (step.amount > books.pool) return;
        await write("withdraw", [0n, key.token, step.amount, buyer.address]);
        books.pool -= step.amount;
        return;
      case "work":
        // A third of a base unit beside whole ones: totals must round as one sum.
        exchange(books, toExact(step.amount, decimals) + exactPerBaseUnit(decimals) / 3n);
        return;
      case "overSign": {
        const before = books.held;
        exchange(books, toExact(books.reserve + books.thawing + books.collected + step.amount, decimals));
        assert.equal(books.held, before, "a voucher above the reserve is not taken");
        return;
      }
      case "replay":
        await collect(books);
        return await collect(books);
      case "collect":
        return await collect(books);
      case "wait":
        return await world().wait(thawSeconds / 3n);
    }
  }

  /** What the ledger says of chance and loss, against the payer's worst: all thaws, the pool is gone. */
  async function tryTheWorst(books: Books): Promise<void> {
    const { vouchered, collected, reserve } = books;
    const owed = vouchered - collected;
    const free = reserve > owed ? reserve - owed : 0n;
    assert.equal(freeReserve({ reserve, vouchered, collected }), free);
    const state = { decimals, creditLimitExact: creditLimit, unpaidExact: books.payee.unpaidExact };
    const atRisk = canLoseExact({ ...state, vouchered, collected, reserve }) - creditLimit;
    assert.equal(atRisk, toExact(owed > reserve ? owed - reserve : 0n, decimals));
    const snapshot = await world().chain.testClient.snapshot();
    if (books.reserve > 0n) await write("thaw", [...channelArgs(), books.reserve]);
    if (books.pool > 0n) await write("withdraw", [0n, key.token, books.pool, buyer.address]);
    const before = await world().pool(operator.address);
    const copy = Object.assign(new Books(), books, {
      pool: 0n,
      reserve: 0n,
      thawing: books.reserve + books.thawing,
    });
    await collect(copy);
    const lost = owed - ((await world().pool(operator.address)) - before);
    assert.ok(toExact(lost, decimals) <= atRisk, `${lost} lost, at most ${atRisk} said`);
    await world().chain.testClient.revert({ id: snapshot });
  }

  async function compare(books: Books): Promise<void> {
    const { collected, reserve, thawing } = await world().channel(key);
    assert.deepEqual(
      {
        collected,
        reserve,
        thawing,
        pool: await world().pool(buyer.address),
        earned: await world().pool(operator.address),
      },
      {
        collected: books.collected,
        reserve: books.reserve,
        thawing: books.thawing,
        pool: books.pool,
        earned: books.earned,
      },
    );
    assert.ok(collected <= books.vouchered);
    assert.ok(toExact(books.vouchered, decimals) <= books.payee.bookedExact, "no voucher pays more than the work");
    assert.equal(books.payee.vouchered, books.payer.vouchered);
  }

  it("agree after every step of any sequence, and the payee never loses more than it was told", async () => {
    const amount = fc.bigInt({ min: 1n, max: 400n });
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({
        kind: fc.constantFrom("deposit", "reserve", "thaw", "withdraw", "work", "work", "work", "overSign" as const),
        amount,
      }),
      fc.record({ kind: fc.constantFrom("thawMost", "cancel", "release", "wait", "replay", "collect" as const) }),
    ) as fc.Arbitrary<Step>;
    const beginning: Step[] = [
      { kind: "deposit", amount: 3_000n },
      { kind: "reserve", amount: 900n },
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 16 }), async (steps) => {
        const books = await begin();
        for (const next of [...beginning, ...steps]) {
          await run(books, next);
          await compare(books);
          await tryTheWorst(books);
          // As the service does: a thaw is seen and what is owed collected before it can end.
          if (reasonToCollect(books.facts, rules) !== undefined) await collect(books);
          await compare(books);
        }
      }),
      { numRuns: 8 },
    );
  });
});
