import { createHash } from "node:crypto";
import type { Database } from "./database.ts";
import { StoreError } from "./errors.ts";
import { fromText, toText } from "./json.ts";

/**
 * What this node signed and must get through (receipts, checks): on disk before it leaves, sent again word for word
 * until it is acknowledged. A key names one piece of work; two different items for one key would be two different
 * statements about the same work, so the second is refused, also after the first was acknowledged.
 */
export class LevelReceiptStore<T> {
  readonly #database: Pick<Database, "change" | "get" | "list">;

  constructor(database: Pick<Database, "change" | "get" | "list">) {
    this.#database = database;
  }

  /** Resolves when the item is durable. The same item again changes nothing; another one throws STORE_RECEIPT_DIFFERENT. */
  put(key: string, item: T): Promise<void> {
    return this.#database.change(async (changes) => {
      const text = toText(item);
      const print = createHash("sha256").update(text).digest("base64url");
      const known = await changes.get(printKey(key));
      if (known === print) return;
      if (known !== undefined) throw new StoreError({ code: "STORE_RECEIPT_DIFFERENT", key });
      changes.put(printKey(key), print);
      changes.put(waitingKey(key), text);
    });
  }

  /** It was acknowledged: only its fingerprint stays. */
  delete(key: string): Promise<void> {
    return this.#database.change(async (changes) => changes.delete(waitingKey(key)));
  }

  /** All that nobody acknowledged yet, in the order of its keys. */
  async list(): Promise<{ readonly key: string; readonly item: T }[]> {
    const prefix = waitingKey("");
    const found = await this.#database.list(prefix);
    return found.map(([key, text]) => ({ key: key.slice(prefix.length), item: fromText(text) as T }));
  }

  /** Whether the key was ever put. */
  async has(key: string): Promise<boolean> {
    return (await this.#database.get(printKey(key))) !== undefined;
  }

  /** Drops the fingerprints of keys that begin with `prefix` and are acknowledged: of work that can never come again. */
  forget(prefix: string): Promise<void> {
    return this.#database.change(async (changes) => {
      const start = printKey("").length;
      for (const [key] of await changes.list(printKey(prefix))) {
        if ((await changes.get(waitingKey(key.slice(start)))) === undefined) changes.delete(key);
      }
    });
  }
}

function waitingKey(key: string): string {
  return `receipts/waiting/${key}`;
}

function printKey(key: string): string {
  return `receipts/print/${key}`;
}
