import { Mutex } from "@leat/node/kernel/mutex.ts";
import { prepayBaseUnits } from "@leat/node/metering/credit.ts";
import { nextCumulative } from "@leat/node/metering/ledger.ts";
import { type Channel, channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import { type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import { merkleRoot } from "@leat/sdk/protocol/merkle.ts";
import type { Book, ChannelBooks } from "./channel-book.ts";
import { PaymentError } from "./errors.ts";
import type { Vouchered, VoucherRequest } from "./index.ts";
import { backedTotal, PayableReader } from "./payable-work.ts";
import type { PayeeComponents } from "./payee-service.ts";
import type { VoucherIntake } from "./voucher-intake.ts";

/** Asks payers for vouchers: a balancer the agents of its buyers. */
export class VoucherRequests {
  readonly #components: Pick<PayeeComponents, "vouchers" | "askPayer" | "logger">;
  readonly #books: ChannelBooks;
  readonly #intake: Pick<VoucherIntake, "accept">;
  readonly #payable: PayableReader;
  /** Channels that paid ahead for a job that is about to open. */
  readonly #awaited = new Set<Hex>();
  /** One question of a channel at a time: two at once would name the same voucher and other work. */
  readonly #turns = new WeakMap<Book, Mutex>();

  constructor(
    components: Pick<PayeeComponents, "vouchers" | "askPayer" | "logger">,
    { books, intake }: { readonly books: ChannelBooks; readonly intake: Pick<VoucherIntake, "accept"> },
  ) {
    this.#components = components;
    this.#books = books;
    this.#intake = intake;
    this.#payable = new PayableReader("held", components);
  }

  async requestVoucher(channel: Channel, kind: "usage" | "final"): Promise<Vouchered> {
    const book = await this.#books.open(channel);
    return this.#inTurn(book, () => this.#requestAll(book, kind));
  }

  /** What becomes payable meanwhile waits for the next question: of much work there is always more, and others wait. */
  async #requestAll(book: Book, kind: "usage" | "final"): Promise<Vouchered> {
    const { vouchers } = this.#components;
    let named: ReadonlySet<Hex> | undefined;
    for (;;) {
      const newest = (await vouchers.newest("held", book.id))?.voucher;
      const held = newest?.value;
      await this.#books.refresh(book);
      const payable = await this.#payable.read(book, backedTotal(book.state), named);
      const { entries, totalExact } = payable;
      if (entries.length === 0) return { vouchered: held?.cumulative ?? 0n, seq: held?.seq ?? 0n };
      named ??= payable.receiptHashes;
      const receiptHashes = entries.map((entry) => entry.receiptHash);
      await this.#ask(book, {
        channel: book.id,
        kind,
        seq: (held?.seq ?? 0n) + 1n,
        cumulative: nextCumulative(totalExact, held?.cumulative ?? 0n, book.decimals),
        receiptsRoot: merkleRoot(receiptHashes),
        receiptHashes,
        ...(newest === undefined ? {} : { held: newest }),
      });
    }
  }

  async requestPrepay(channel: Channel, exactPerSecond: bigint): Promise<Vouchered> {
    const book = await this.#books.open(channel);
    return this.#inTurn(book, () => this.#requestAhead(book, exactPerSecond));
  }

  async #requestAhead(book: Book, exactPerSecond: bigint): Promise<Vouchered> {
    const held = (await this.#components.vouchers.newest("held", book.id))?.voucher.value;
    if (held !== undefined) return { vouchered: held.cumulative, seq: held.seq };
    const cumulative = prepayBaseUnits(exactPerSecond, book.decimals);
    this.#awaited.add(book.id);
    const ahead = { channel: book.id, seq: 1n, cumulative, receiptsRoot: zeroHash, receiptHashes: [] };
    try {
      await this.#ask(book, { ...ahead, kind: "prepay" });
    } catch (error) {
      this.#awaited.delete(book.id);
      throw error;
    }
    return { vouchered: book.ledger.vouchered, seq: 1n };
  }

  /** Whether a job is about to open for which the channel paid ahead. */
  isAwaited(channel: Hex): boolean {
    return this.#awaited.has(channel);
  }

  /** The job opened, or it will not. */
  awaitNoMore(channel: Hex): void {
    this.#awaited.delete(channel);
  }

  #inTurn<T>(book: Book, work: () => Promise<T>): Promise<T> {
    const turns = this.#turns.get(book) ?? new Mutex();
    this.#turns.set(book, turns);
    return turns.run(work);
  }

  async #ask(book: Book, request: VoucherRequest): Promise<void> {
    const { askPayer } = this.#components;
    if (askPayer === undefined) throw new PaymentError({ code: "VOUCHER_ANSWER_WRONG", channel: book.id });
    const offer = await askPayer(book.channel.payer, request);
    const isOurs = channelId(channelOf(offer.voucher.value)) === book.id && offer.voucher.value.seq === request.seq;
    // An answer that covers nothing of what was asked would be asked for again for ever.
    const asked = new Set(request.receiptHashes);
    const isAnswer = asked.size === 0 || offer.receiptHashes.some((hash) => asked.has(hash));
    if (!isOurs || !isAnswer) throw new PaymentError({ code: "VOUCHER_ANSWER_WRONG", channel: book.id });
    const answer = await this.#intake.accept(offer);
    if (!("acknowledged" in answer)) throw new PaymentError({ code: "VOUCHER_FENCED", channel: book.id });
  }
}
