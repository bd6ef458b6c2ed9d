import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import type { SqlDatabase } from "./database.ts";

/** Often enough that tables stay small on disk, and that a new cluster's first hours are planned for as they are. */
const TIDY_MS = 600_000;

/** Keeps a database in order while it is used, and closes it at the end. */
export class SqlKeeper implements Startable {
  readonly #database: SqlDatabase;
  readonly #tasks: TaskGroup;

  constructor(database: SqlDatabase, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#database = database;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.warn("Tidying the database failed", { error }) });
  }

  async start(): Promise<void> {
    this.#tasks.every(TIDY_MS, () => this.#database.tidy());
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
    await this.#database.close();
  }
}
