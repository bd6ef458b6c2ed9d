import type { DurableFacts, FactChange } from "../kernel/durable-facts.ts";
import type { Database } from "./database.ts";
import { fromText, toText } from "./json.ts";

/** What parts must find again: positions of readers, signed transactions, jobs that were running, terms. */
export class LevelCheckpointStore implements DurableFacts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  put(kind: string, id: string, value: unknown): Promise<void> {
    return this.change([{ kind, id, value }]);
  }

  async get(kind: string, id: string): Promise<unknown> {
    const text = await this.#database.get(keyOf(kind, id));
    return text === undefined ? undefined : fromText(text);
  }

  async list(kind: string): Promise<[id: string, value: unknown][]> {
    const prefix = keyOf(kind, "");
    const found = await this.#database.list(prefix);
    return found.map(([key, text]) => [key.slice(prefix.length), fromText(text)]);
  }

  delete(kind: string, id: string): Promise<void> {
    return this.change([{ kind, id, value: undefined }]);
  }

  change(changes: readonly FactChange[]): Promise<void> {
    return this.#database.change(async (batch) => {
      for (const { kind, id, value } of changes) {
        if (value === undefined) batch.delete(keyOf(kind, id));
        else batch.put(keyOf(kind, id), toText(value));
      }
    });
  }
}

function keyOf(kind: string, id: string): string {
  return `kept/${kind}/${id}`;
}
