import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";

/**
 * `pending`: on its way to the chain; the payer makes no second one meanwhile. `refused`: the chain would not take it,
 * and still may as long as it is valid. `credited`: counted, once.
 */
export type PaymentState = "pending" | "refused" | "credited";

/** One authorised payment; its payer and nonce name it. Kept until it can no longer be used. */
export interface PaymentRecord {
  readonly payer: Address;
  readonly nonce: Hex;
  readonly payTo: Address;
  /** Base units. */
  readonly value: bigint;
  readonly validAfter: bigint;
  /** Seconds since 1970. */
  readonly validBefore: bigint;
  /** Where the search for its use begins. */
  readonly fromBlock: bigint;
  readonly state: PaymentState;
  /** With it the payment can be submitted again. Records of older versions have none. */
  readonly signature?: Hex;
}

/** A balance token at rest: of its secret only the hash. */
export interface TokenRecord {
  readonly id: string;
  readonly payer: Address;
  readonly secretHash: Hex;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

type PaymentName = Pick<PaymentRecord, "payer" | "nonce">;

/**
 * Prepaid balances of one token, exact (10^-30 of a whole token), and the payments behind them. Every promise of a
 * writing method resolves when the change is on disk.
 */
export class PrepaidStore {
  readonly #database: Database;
  readonly #prefix: string;

  constructor(database: Database, token: Address) {
    this.#database = database;
    this.#prefix = `prepaid/${token}`;
  }

  async balance(payer: Address): Promise<bigint> {
    return BigInt((await this.#database.get(this.#balanceKey(payer))) ?? "0");
  }

  /** False, and nothing changes, where less is there. */
  spend(payer: Address, exact: bigint): Promise<boolean> {
    return this.#database.change(async (changes) => {
      const key = this.#balanceKey(payer);
      const left = BigInt((await changes.get(key)) ?? "0") - exact;
      if (left < 0n) return false;
      changes.put(key, left.toString());
      return true;
    });
  }

  /** Gives back what was spent and not used. */
  refund(payer: Address, exact: bigint): Promise<void> {
    return this.#database.change((changes) => this.#add(changes, payer, exact));
  }

  async payment(name: PaymentName): Promise<PaymentRecord | undefined> {
    return parsePayment(await this.#database.get(this.#paymentKey(name)));
  }

  /** False for a payment that is known already. */
  begin(record: PaymentRecord): Promise<boolean> {
    return this.#database.change(async (changes) => {
      const key = this.#paymentKey(record);
      if ((await changes.get(key)) !== undefined) return false;
      changes.put(key, paymentText(record));
      return true;
    });
  }

  /** The payment is on chain: its value is added, unless that was done before. */
  credit(name: PaymentName, exact: bigint): Promise<boolean> {
    return this.#database.change(async (changes) => {
      const key = this.#paymentKey(name);
      const record = parsePayment(await changes.get(key));
      if (record === undefined || record.state === "credited") return false;
      changes.put(key, paymentText({ ...record, state: "credited" }));
      await this.#add(changes, name.payer, exact);
      return true;
    });
  }

  refuse(name: PaymentName): Promise<void> {
    return this.#database.change(async (changes) => {
      const key = this.#paymentKey(name);
      const record = parsePayment(await changes.get(key));
      if (record?.state === "pending") changes.put(key, paymentText({ ...record, state: "refused" }));
    });
  }

  forget(name: PaymentName): Promise<void> {
    return this.#database.change(async (changes) => changes.delete(this.#paymentKey(name)));
  }

  /** All payments of a payer, or of all. */
  async payments(payer?: Address): Promise<PaymentRecord[]> {
    const found = await this.#database.list(`${this.#prefix}/payment/${payer === undefined ? "" : `${payer}/`}`);
    return found.map(([, text]) => parsePayment(text)!);
  }

  /** Notes from which total on a channel's vouchers count here; what is noted already stays. */
  openChannel(channel: Hex, cumulative: bigint): Promise<void> {
    return this.#database.change(async (changes) => {
      const key = this.#channelKey(channel);
      if ((await changes.get(key)) === undefined) changes.put(key, cumulative.toString());
    });
  }

  /** Adds what a channel's held voucher has grown by since the last time. `exactOf` turns base units into exact ones. */
  creditVoucher(
    channel: Hex,
    payer: Address,
    cumulative: bigint,
    exactOf: (baseUnits: bigint) => bigint,
  ): Promise<void> {
    return this.#database.change(async (changes) => {
      const key = this.#channelKey(channel);
      const counted = BigInt((await changes.get(key)) ?? "0");
      if (cumulative <= counted) return;
      changes.put(key, cumulative.toString());
      await this.#add(changes, payer, exactOf(cumulative - counted));
    });
  }

  /** Of a payer's tokens the newest `most` stay. */
  putToken(record: TokenRecord, most: number): Promise<void> {
    return this.#database.change(async (changes) => {
      const listKey = `${this.#prefix}/tokens-of/${record.payer}`;
      const ids = JSON.parse((await changes.get(listKey)) ?? "[]") as string[];
      const kept = [...ids, record.id].slice(-most);
      for (const id of ids) if (!kept.includes(id)) changes.delete(this.#tokenKey(id));
      changes.put(listKey, JSON.stringify(kept));
      changes.put(this.#tokenKey(record.id), JSON.stringify(record));
    });
  }

  async token(id: string): Promise<TokenRecord | undefined> {
    const text = await this.#database.get(this.#tokenKey(id));
    return text === undefined ? undefined : (JSON.parse(text) as TokenRecord);
  }

  /** Drops tokens that ended before `nowSeconds`. */
  dropTokens(nowSeconds: number): Promise<void> {
    return this.#database.change(async (changes) => {
      for (const [key, text] of await changes.list(`${this.#prefix}/token/`)) {
        if ((JSON.parse(text) as TokenRecord).expiresAt < nowSeconds) changes.delete(key);
      }
    });
  }

  async #add(changes: Changes, payer: Address, exact: bigint): Promise<void> {
    const key = this.#balanceKey(payer);
    changes.put(key, (BigInt((await changes.get(key)) ?? "0") + exact).toString());
  }

  #balanceKey(payer: Address): string {
    return `${this.#prefix}/balance/${payer}`;
  }

  #paymentKey({ payer, nonce }: PaymentName): string {
    return `${this.#prefix}/payment/${payer}/${nonce}`;
  }

  #channelKey(channel: Hex): string {
    return `${this.#prefix}/channel/${channel}`;
  }

  #tokenKey(id: string): string {
    return `${this.#prefix}/token/${id}`;
  }
}

const bigFields = ["value", "validAfter", "validBefore", "fromBlock"] as const;

function paymentText(record: PaymentRecord): string {
  return JSON.stringify(record, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

function parsePayment(text: string | undefined): PaymentRecord | undefined {
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as Record<string, unknown>;
  for (const field of bigFields) record[field] = BigInt(record[field] as string);
  return record as unknown as PaymentRecord;
}
