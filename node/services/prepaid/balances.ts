import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import type { PrepaidStore } from "@leat/node/store/prepaid.ts";
import { type Address, bytesToHex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { PrepaidError } from "./errors.ts";
import type { Hold } from "./index.ts";

const ID_BYTES = 9;
const SECRET_BYTES = 32;
/** Of one payer at once: its devices. The oldest gives way. */
const MAX_TOKENS = 8;
/** Payments of one payer that wait for the one before them: a player asks for a few things at once. */
const MAX_WAITING = 16;

export interface BalancesComponents {
  readonly store: PrepaidStore;
  readonly clock: Clock;
  /** Runs what the request does not wait for. */
  readonly run: (task: () => Promise<unknown>) => void;
}

/** Who may spend a balance, and what is taken from it. */
export class Balances {
  readonly #components: BalancesComponents;
  readonly #tokenSeconds: number;
  readonly #payers = new Map<Address, { readonly mutex: Mutex; waiting: number }>();

  constructor(components: BalancesComponents, tokenSeconds: number) {
    this.#components = components;
    this.#tokenSeconds = tokenSeconds;
  }

  /** One payment of a payer at a time, so that it never pays for what the one before has paid already. */
  async alone<T>(payer: Address, work: () => Promise<T>): Promise<T> {
    const queue = this.#payers.get(payer) ?? { mutex: new Mutex(), waiting: 0 };
    if (queue.waiting >= MAX_WAITING) throw new PrepaidError({ code: "X402_BUSY" });
    this.#payers.set(payer, queue);
    queue.waiting += 1;
    try {
      return await queue.mutex.run(work);
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) this.#payers.delete(payer);
    }
  }

  /** A new token. Only its hash is kept: who reads the disk cannot spend. */
  async issue(payer: Address): Promise<{ token: string; expiresAt: number }> {
    const { store, clock } = this.#components;
    const id = randomBytes(ID_BYTES).toString("base64url");
    const secret = randomBytes(SECRET_BYTES);
    const expiresAt = Math.floor(clock.nowMs() / 1_000) + this.#tokenSeconds;
    await store.putToken({ id, payer, secretHash: bytesToHex(sha256(secret)), expiresAt }, MAX_TOKENS);
    return { token: `${id}${secret.toString("base64url")}`, expiresAt };
  }

  async payerOf(token: string): Promise<Address> {
    const { store, clock } = this.#components;
    const idLength = (ID_BYTES * 4) / 3;
    const record = /^[A-Za-z0-9_-]{55}$/.test(token) ? await store.token(token.slice(0, idLength)) : undefined;
    const given = sha256(Buffer.from(token.slice(idLength), "base64url"));
    const isSame = timingSafeEqual(given, record === undefined ? sha256(given) : hexToBytes(record.secretHash, 32));
    if (record === undefined || !isSame) throw new PrepaidError({ code: "X402_TOKEN_INVALID" });
    if (record.expiresAt * 1_000 <= clock.nowMs()) throw new PrepaidError({ code: "X402_TOKEN_EXPIRED" });
    return record.payer;
  }

  /** Taken before anything is served, so that neither a kill nor many requests at once serve more than was paid. */
  async hold(payer: Address, exact: bigint): Promise<Hold> {
    const { store, run } = this.#components;
    if (exact > 0n && !(await store.spend(payer, exact))) {
      const heldExact = await store.balance(payer);
      throw new PrepaidError({ code: "X402_BALANCE_SHORT", wantedExact: exact, heldExact });
    }
    let isOpen = true;
    const giveBack = async (usedExact: bigint) => {
      if (!isOpen) return;
      isOpen = false;
      const rest = exact - usedExact;
      if (rest > 0n) await store.refund(payer, rest);
    };
    return { payer, settle: (usedExact) => run(() => giveBack(usedExact)), settleNow: giveBack };
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
