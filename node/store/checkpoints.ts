import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Database } from "./database.ts";
import { fromText, toText } from "./json.ts";

/** Where an event reader stands: everything up to and with this block was handed on. */
export interface BlockCheckpoint {
  readonly blockNumber: bigint;
  /** Tells another chain, or a chain that was started anew, from ours. */
  readonly blockHash: Hex;
}

/** Small facts that outlive a process: reader positions, jobs that were running, terms. Durable when the promise resolves. */
export interface CheckpointStore {
  block(reader: string): Promise<BlockCheckpoint | undefined>;
  putBlock(reader: string, checkpoint: BlockCheckpoint): Promise<void>;
  /** JSON values, bigint too, under a kind and an id: what a service must find again. */
  put(kind: string, id: string, value: unknown): Promise<void>;
  get(kind: string, id: string): Promise<unknown>;
  list(kind: string): Promise<[id: string, value: unknown][]>;
  delete(kind: string, id: string): Promise<void>;
}

export class LevelCheckpointStore implements CheckpointStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async block(reader: string): Promise<BlockCheckpoint | undefined> {
    const text = await this.#database.get(`block/${reader}`);
    if (text === undefined) return undefined;
    return fromText(text) as BlockCheckpoint;
  }

  putBlock(reader: string, checkpoint: BlockCheckpoint): Promise<void> {
    return this.#put(`block/${reader}`, toText(checkpoint));
  }

  put(kind: string, id: string, value: unknown): Promise<void> {
    return this.#put(`kept/${kind}/${id}`, toText(value));
  }

  async get(kind: string, id: string): Promise<unknown> {
    const text = await this.#database.get(`kept/${kind}/${id}`);
    return text === undefined ? undefined : fromText(text);
  }

  async list(kind: string): Promise<[id: string, value: unknown][]> {
    const prefix = `kept/${kind}/`;
    const found = await this.#database.list(prefix);
    return found.map(([key, text]) => [key.slice(prefix.length), fromText(text)]);
  }

  delete(kind: string, id: string): Promise<void> {
    return this.#database.change(async (changes) => changes.delete(`kept/${kind}/${id}`));
  }

  #put(key: string, text: string): Promise<void> {
    return this.#database.change(async (changes) => changes.put(key, text));
  }
}
