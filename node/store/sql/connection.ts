import { Worker } from "node:worker_threads";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { SqlAnswer, SqlOpened, SqlRequest, SqlWorkerData } from "./messages.ts";

export class SqlError extends CodedError<
  | { code: "SQL_OPEN_FAILED"; location: string; reason: string }
  | { code: "SQL_IN_USE"; location: string; pid: number }
  | { code: "SQL_STATEMENT_FAILED"; reason: string; sqlState?: string }
  | { code: "SQL_CLOSED" }
  | { code: "SQL_MIGRATION_UNKNOWN"; name: string }
> {}

type Body = SqlRequest extends infer R ? (R extends SqlRequest ? Omit<R, "id"> : never) : never;

interface Waiting {
  resolve(rows: readonly unknown[]): void;
  reject(error: unknown): void;
}

/** The main thread's end of a database: calls travel to its thread and answers back. */
export class SqlConnection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: unknown;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", () => this.#fail(new SqlError({ code: "SQL_CLOSED" })));
  }

  static open(location: string): Promise<SqlConnection> {
    const data: SqlWorkerData = { location };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: data });
    const connection = new SqlConnection(worker);
    return new Promise((resolve, reject) => {
      const refuse = (reason: string) => reject(new SqlError({ code: "SQL_OPEN_FAILED", location, reason }));
      worker.on("error", (error) => refuse(String(error)));
      worker.on("message", (message: SqlOpened | SqlAnswer) => {
        if (!("opened" in message)) connection.#settle(message);
        else if (message.opened) resolve(connection);
        else refuse(message.reason);
      });
    });
  }

  send(body: Body): Promise<readonly unknown[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...body } satisfies SqlRequest);
    });
  }

  async close(): Promise<void> {
    if (this.#failure !== undefined) return;
    const gone = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    await this.send({ kind: "close" });
    await gone;
  }

  #settle(answer: SqlAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("rows" in answer) waiting?.resolve(answer.rows);
    else {
      const { error: reason, sqlState } = answer;
      waiting?.reject(new SqlError({ code: "SQL_STATEMENT_FAILED", reason, ...(sqlState ? { sqlState } : {}) }));
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
