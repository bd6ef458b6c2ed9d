import type { DurableFacts, FactChange } from "@leat/node/kernel/durable-facts.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

/** One signed form of a transaction; a later one pays more. */
export interface SignedForm {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly signedAtMs: number;
  /** Set where this form does nothing but use up the nonce: its gas, which the node's own budget pays. */
  readonly emptyGas?: bigint;
}

/** Gas that is set apart for one purpose, so that it takes nothing from the others'. */
export interface GasBudget {
  readonly name: string;
  /** Wei in 24 hours. */
  readonly daily: bigint;
}

/** What one nonce is for. Every form of it does the same, or nothing. */
export interface Outgoing {
  readonly nonce: number;
  /** The contract's function, or "cancel" for one that only uses up its nonce. */
  readonly purpose: string;
  readonly to: Address;
  readonly data: Hex;
  readonly gas: bigint;
  /** Wei that a rollup takes at most for its data, beside gas. */
  readonly dataFee?: bigint;
  /** A confirmed block at which the nonce was free. */
  readonly sinceBlock: bigint;
  readonly forms: readonly SignedForm[];
  /** What it is paid from; without it from what the key may spend for the node's own work. */
  readonly budget?: GasBudget;
  /** Set when nothing can change any more: in a block at confirmed depth, or the nonce was used by somebody else. */
  readonly ended?: { readonly how: "mined" | "taken"; readonly blockNumber: bigint };
}

interface Spent {
  readonly atMs: number;
  readonly wei: bigint;
  /** Name of the budget that it came from. */
  readonly budget?: string;
}

export const BUDGET_WINDOW_MS = 86_400_000;
/** Ended ones that are kept: a reorganisation below the confirmed depth may want them once more. */
const KEPT_ENDED = 32;

/**
 * What one key signed, on disk before any of it leaves: who starts again finds what may still come into a block, sends
 * the same bytes, and never uses a nonce for something else.
 */
export class TransactionBook {
  readonly #facts: DurableFacts;
  readonly #kind: string;
  readonly #spentKind: string;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #spent = new Map<string, Spent>();

  private constructor(facts: DurableFacts, chainId: number, address: Address) {
    this.#facts = facts;
    this.#kind = `sent-${chainId}-${address}`;
    this.#spentKind = `spent-${chainId}-${address}`;
  }

  static async open(facts: DurableFacts, chainId: number, address: Address): Promise<TransactionBook> {
    const book = new TransactionBook(facts, chainId, address);
    for (const [, value] of await facts.list(book.#kind))
      book.#outgoing.set((value as Outgoing).nonce, value as Outgoing);
    for (const [id, value] of await facts.list(book.#spentKind)) book.#spent.set(id, value as Spent);
    return book;
  }

  get(nonce: number): Outgoing | undefined {
    return this.#outgoing.get(nonce);
  }

  /** Not ended, lowest nonce first. */
  pending(): Outgoing[] {
    const open = [...this.#outgoing.values()].filter(({ ended }) => ended === undefined);
    return open.sort((left, right) => left.nonce - right.nonce);
  }

  /** The one with the highest nonce. */
  newest(): Outgoing | undefined {
    const nonces = [...this.#outgoing.keys()];
    return nonces.length === 0 ? undefined : this.#outgoing.get(Math.max(...nonces));
  }

  /** Wei spent from one budget in the last day, and what the pending ones can cost at most; without that of `besides`. */
  committed(nowMs: number, budget?: GasBudget, besides?: number): bigint {
    let wei = 0n;
    for (const spent of this.#spent.values()) {
      if (spent.budget === budget?.name && nowMs - spent.atMs < BUDGET_WINDOW_MS) wei += spent.wei;
    }
    for (const outgoing of this.pending()) {
      if (outgoing.nonce !== besides) wei += costAtMost(outgoing, budget);
    }
    return wei;
  }

  /** Durable when it resolves: nothing of it may leave before. */
  async put(outgoing: Outgoing): Promise<void> {
    await this.#facts.put(this.#kind, idOf(outgoing.nonce), outgoing);
    this.#outgoing.set(outgoing.nonce, outgoing);
  }

  /** Notes how it ended, by which form if by one of ours, and what it cost; forgets what is too old to matter. */
  async end(
    nonce: number,
    ended: NonNullable<Outgoing["ended"]>,
    cost: Omit<Spent, "budget">,
    form?: SignedForm,
  ): Promise<void> {
    const outgoing: Outgoing = { ...this.#outgoing.get(nonce)!, ended };
    const budget = form !== undefined && isEmpty(form) ? undefined : outgoing.budget;
    const spent: Spent = budget === undefined ? cost : { ...cost, budget: budget.name };
    const spentId = `${idOf(nonce)}-${outgoing.forms.at(-1)!.hash}`;
    const old = [...this.#outgoing.values()]
      .filter((one) => one.ended !== undefined && one.nonce !== nonce)
      .sort((left, right) => right.nonce - left.nonce)
      .slice(KEPT_ENDED);
    const oldSpent = [...this.#spent].filter(([, { atMs }]) => spent.atMs - atMs >= BUDGET_WINDOW_MS);
    const changes: FactChange[] = [
      { kind: this.#kind, id: idOf(nonce), value: outgoing },
      { kind: this.#spentKind, id: spentId, value: spent },
      ...old.map((one) => ({ kind: this.#kind, id: idOf(one.nonce), value: undefined })),
      ...oldSpent.map(([id]) => ({ kind: this.#spentKind, id, value: undefined })),
    ];
    await this.#facts.change(changes);
    this.#outgoing.set(nonce, outgoing);
    this.#spent.set(spentId, spent);
    for (const one of old) this.#outgoing.delete(one.nonce);
    for (const [id] of oldSpent) this.#spent.delete(id);
  }
}

/** What it takes from one budget at most, whichever form of it comes into a block: a later one pays more. */
export function costAtMost({ gas, dataFee = 0n, forms, budget }: Outgoing, from: GasBudget | undefined): bigint {
  let wei = 0n;
  for (const form of forms) {
    const payer = isEmpty(form) ? undefined : budget?.name;
    // An empty form has no data to speak of, and what it replaces may still come instead.
    const cost = (form.emptyGas ?? gas) * form.maxFeePerGas + (isEmpty(form) ? 0n : dataFee);
    if (payer === from?.name && cost > wei) wei = cost;
  }
  return wei;
}

export function isEmpty({ emptyGas }: SignedForm): boolean {
  return emptyGas !== undefined;
}

/** Numbers of one length, so that the order of texts is that of numbers. */
function idOf(nonce: number): string {
  return String(nonce).padStart(16, "0");
}
