import { and, eq, isNull, lt, or } from "drizzle-orm";
import type { Clock } from "../../kernel/clock.ts";
import type { SqlDatabase } from "./database.ts";
import { idempotencyKeys, type StoredAnswer } from "./schema.ts";

export type IdempotencyState =
  | { readonly state: "new" }
  | { readonly state: "running"; readonly fingerprint: string }
  | { readonly state: "done"; readonly fingerprint: string; readonly answer: StoredAnswer };

/** A call that began longer ago and has no answer died with its process. */
const abandonedMs = 60_000;
/** How long an answer is given again; it may hold what is shown only once. */
const keptMs = 86_400_000;

/** Creating calls, remembered across restarts. */
export class SqlIdempotencyStore {
  readonly #database: SqlDatabase;
  readonly #clock: Clock;

  constructor(database: SqlDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  begin(key: string, fingerprint: string): Promise<IdempotencyState> {
    const nowMs = this.#clock.nowMs();
    return this.#database.transaction(async (tx) => {
      const isAbandoned = and(isNull(idempotencyKeys.answer), lt(idempotencyKeys.createdAtMs, nowMs - abandonedMs));
      await tx.delete(idempotencyKeys).where(or(lt(idempotencyKeys.createdAtMs, nowMs - keptMs), isAbandoned));
      const [found] = await tx.select().from(idempotencyKeys).where(eq(idempotencyKeys.key, key));
      if (found === undefined) {
        await tx.insert(idempotencyKeys).values({ key, fingerprint, createdAtMs: nowMs });
        return { state: "new" };
      }
      const held = { fingerprint: found.fingerprint };
      return found.answer === null ? { state: "running", ...held } : { state: "done", ...held, answer: found.answer };
    });
  }

  async finish(key: string, answer: StoredAnswer): Promise<void> {
    await this.#database.sql.update(idempotencyKeys).set({ answer }).where(eq(idempotencyKeys.key, key));
  }

  async release(key: string): Promise<void> {
    await this.#database.sql.delete(idempotencyKeys).where(eq(idempotencyKeys.key, key));
  }
}
