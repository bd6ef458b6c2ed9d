import { valueFromJson, valueToJson } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import { type Receipt, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { type Database, StoreError } from "./database.ts";

export type ReceiptKind = "ingest" | "transcode" | "delivery";

/** A receipt of this node with what its root stands for. */
export interface OwnReceipt {
  readonly receipt: Signed<Receipt>;
  readonly leaves: readonly PartLeaf[];
  readonly kind: ReceiptKind;
}

export interface ReceiptKey {
  readonly job: Hex;
  readonly attempt: number;
  readonly seq: bigint;
}

/** This node's own receipts: on disk before they leave, sent again word for word until they are acknowledged. */
export interface ReceiptStore {
  find(key: ReceiptKey): Promise<OwnReceipt | undefined>;
  /**
   * Writes the receipt and puts it in the outbox; resolves when both are durable. What is there already for its
   * (job, attempt, seq) stays: the same value answers the stored receipt (send that one), another value throws
   * STORE_RECEIPT_DIFFERENT, since two different receipts for one piece of work are equivocation.
   */
  put(own: OwnReceipt): Promise<OwnReceipt>;
  /** Receipts that nobody acknowledged yet, in the order in which they were written. */
  outbox(limit?: number): Promise<OwnReceipt[]>;
  acknowledge(key: ReceiptKey): Promise<void>;
  /** All receipts of a job, by attempt and segment. */
  ofJob(job: Hex): Promise<OwnReceipt[]>;
  /** Drops the acknowledged receipts of a job that can have no more. */
  forgetJob(job: Hex): Promise<void>;
}

export class LevelReceiptStore implements ReceiptStore {
  readonly #database: Database;
  #nextPlace: number | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(key: ReceiptKey): Promise<OwnReceipt | undefined> {
    const text = await this.#database.get(receiptKey(key));
    return text === undefined ? undefined : parseOwn(text).own;
  }

  put(own: OwnReceipt): Promise<OwnReceipt> {
    return this.#database.change(async (changes) => {
      const { value } = own.receipt;
      const key = receiptKey(value);
      const text = await changes.get(key);
      if (text !== undefined) {
        const stored = parseOwn(text).own;
        if (sameReceipt(stored.receipt.value, value)) return stored;
        const { job, attempt, seq } = value;
        throw new StoreError({ code: "STORE_RECEIPT_DIFFERENT", job, attempt, seq });
      }
      if (this.#nextPlace === undefined) {
        const last = (await changes.list("outbox/")).at(-1)?.[0];
        this.#nextPlace = last === undefined ? 0 : Number(last.slice("outbox/".length)) + 1;
      }
      const place = this.#nextPlace;
      this.#nextPlace += 1;
      changes.put(key, ownText(own, place));
      changes.put(placeKey(place), key);
      return own;
    });
  }

  async outbox(limit = 1_000): Promise<OwnReceipt[]> {
    const places = (await this.#database.list("outbox/")).slice(0, limit);
    const texts = await Promise.all(places.map(([, key]) => this.#database.get(key)));
    // One may be acknowledged and forgotten between the two reads.
    return texts.filter((text) => text !== undefined).map((text) => parseOwn(text).own);
  }

  acknowledge(key: ReceiptKey): Promise<void> {
    return this.#database.change(async (changes) => {
      const text = await changes.get(receiptKey(key));
      if (text !== undefined) changes.delete(placeKey(parseOwn(text).place));
    });
  }

  async ofJob(job: Hex): Promise<OwnReceipt[]> {
    return (await this.#database.list(`receipt/${job}/`)).map(([, text]) => parseOwn(text).own);
  }

  forgetJob(job: Hex): Promise<void> {
    return this.#database.change(async (changes) => {
      for (const [key, text] of await changes.list(`receipt/${job}/`)) {
        if ((await changes.get(placeKey(parseOwn(text).place))) === undefined) changes.delete(key);
      }
    });
  }
}

function receiptKey({ job, attempt, seq }: ReceiptKey): string {
  return `receipt/${job}/${attempt.toString().padStart(10, "0")}/${seq.toString().padStart(20, "0")}`;
}

function placeKey(place: number): string {
  return `outbox/${place.toString().padStart(16, "0")}`;
}

function sameReceipt(left: Receipt, right: Receipt): boolean {
  return receiptStructure.fields.every(([name]) => left[name] === right[name]);
}

function ownText(own: OwnReceipt, place: number): string {
  return JSON.stringify({
    place,
    kind: own.kind,
    value: valueToJson(receiptStructure, own.receipt.value),
    signature: own.receipt.signature,
    leaves: own.leaves.map((leaf) => [
      leaf.rung,
      leaf.part,
      leaf.frames,
      leaf.pixels.toString(),
      leaf.sizeBytes.toString(),
      leaf.sha256,
    ]),
  });
}

function parseOwn(text: string): { own: OwnReceipt; place: number } {
  const stored = JSON.parse(text) as {
    place: number;
    kind: ReceiptKind;
    value: unknown;
    signature: Hex;
    leaves: [number, number, number, string, string, Hex][];
  };
  const leaves = stored.leaves.map(([rung, part, frames, pixels, sizeBytes, sha256]) => ({
    rung,
    part,
    frames,
    pixels: BigInt(pixels),
    sizeBytes: BigInt(sizeBytes),
    sha256,
  }));
  const receipt = { value: valueFromJson(receiptStructure, stored.value), signature: stored.signature };
  return { own: { receipt, leaves, kind: stored.kind }, place: stored.place };
}
