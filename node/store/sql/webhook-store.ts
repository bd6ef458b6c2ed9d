import type { Address } from "@leat/sdk/protocol/hex.ts";
import { and, asc, count, eq, isNotNull, isNull, lt, notInArray, or } from "drizzle-orm";
import type { SqlDatabase } from "./database.ts";
import { webhookEndpoints, webhookEvents } from "./schema.ts";

export type EndpointRow = typeof webhookEndpoints.$inferSelect;
export type EventRow = typeof webhookEvents.$inferSelect;
export type NewEvent = Pick<EventRow, "endpoint" | "id" | "type" | "body" | "createdAtMs">;

/** Endpoints of accounts, and the queue of each. What resolved is on disk. */
export class WebhookStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  endpoints(): Promise<EndpointRow[]> {
    return this.#database.sql.select().from(webhookEndpoints).orderBy(asc(webhookEndpoints.createdAtMs));
  }

  async addEndpoint(row: EndpointRow): Promise<void> {
    await this.#database.sql.insert(webhookEndpoints).values(row);
  }

  /** With all that it was still to be told. */
  async dropEndpoint(account: Address, id: string): Promise<void> {
    await this.#database.transaction(async (tx) => {
      const isIt = and(eq(webhookEndpoints.id, id), eq(webhookEndpoints.account, account));
      await tx.delete(webhookEndpoints).where(isIt);
      await tx.delete(webhookEvents).where(eq(webhookEvents.endpoint, id));
    });
  }

  /** False where the endpoint's queue is full. An event that it has already, told or not, changes nothing. */
  put(event: NewEvent, mostWaiting: number): Promise<boolean> {
    return this.#database.transaction(async (tx) => {
      const isWaiting = and(eq(webhookEvents.endpoint, event.endpoint), isNull(webhookEvents.doneAtMs));
      const [found] = await tx.select({ waiting: count() }).from(webhookEvents).where(isWaiting);
      if ((found?.waiting ?? 0) >= mostWaiting) return false;
      const row = { ...event, attempts: 0, nextAtMs: event.createdAtMs };
      await tx.insert(webhookEvents).values(row).onConflictDoNothing();
      return true;
    });
  }

  /** The first that the endpoint has not been told. */
  async next(endpoint: string): Promise<EventRow | undefined> {
    const [row] = await this.#database.sql
      .select()
      .from(webhookEvents)
      .where(and(eq(webhookEvents.endpoint, endpoint), isNull(webhookEvents.doneAtMs)))
      .orderBy(asc(webhookEvents.position))
      .limit(1);
    return row;
  }

  async postpone({ endpoint, id, attempts }: EventRow, nextAtMs: number): Promise<void> {
    const change = { attempts: attempts + 1, nextAtMs };
    await this.#database.sql.update(webhookEvents).set(change).where(isEvent(endpoint, id));
  }

  async finish({ endpoint, id }: EventRow, doneCode: string, doneAtMs: number): Promise<void> {
    await this.#database.sql.update(webhookEvents).set({ doneCode, doneAtMs }).where(isEvent(endpoint, id));
  }

  /** Events that were done before a time, and those that were put when their endpoint was gone already. */
  async forget(beforeMs: number): Promise<void> {
    const { sql } = this.#database;
    const isOld = and(isNotNull(webhookEvents.doneAtMs), lt(webhookEvents.doneAtMs, beforeMs));
    const endpoints = sql.select({ id: webhookEndpoints.id }).from(webhookEndpoints);
    await sql.delete(webhookEvents).where(or(isOld, notInArray(webhookEvents.endpoint, endpoints)));
  }
}

function isEvent(endpoint: string, id: string) {
  return and(eq(webhookEvents.endpoint, endpoint), eq(webhookEvents.id, id));
}
