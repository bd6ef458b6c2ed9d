import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { and, desc, eq, inArray, isNull, lt, ne, or } from "drizzle-orm";
import type { SqlDatabase } from "./database.ts";
import { leases, streamKeys, streams, UNKNOWN_MARGIN } from "./schema.ts";

export type StreamRow = typeof streams.$inferSelect;
/** Where a list of streams, newest first, goes on: behind this one. Without its id behind all of its millisecond. */
export interface StreamPlace {
  readonly createdAtMs: number;
  readonly id?: Hex;
}
export type LeaseRow = typeof leases.$inferSelect;

/** Streams, their keys and their publish leases. */
export class StreamStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async insert(row: StreamRow, keyHash: Hex): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.insert(streams).values(row);
      await tx.insert(streamKeys).values({ keyHash, stream: row.id, createdAtMs: row.createdAtMs });
    });
  }

  async update(id: Hex, change: Partial<StreamRow>): Promise<void> {
    await this.#database.sql.update(streams).set(change).where(eq(streams.id, id));
  }

  /** Streams from before margins were kept have this one from now on. */
  async fixMargins(marginBps: number): Promise<void> {
    await this.#database.sql.update(streams).set({ marginBps }).where(eq(streams.marginBps, UNKNOWN_MARGIN));
  }

  async find(id: Hex): Promise<StreamRow | undefined> {
    const [row] = await this.#database.sql.select().from(streams).where(eq(streams.id, id));
    return row;
  }

  async findBySlug(slug: string): Promise<StreamRow | undefined> {
    const [row] = await this.#database.sql.select().from(streams).where(eq(streams.slug, slug));
    return row;
  }

  /** The stream of a key that was not revoked, with the hash that is stored. */
  async findByKey(keyHash: Hex): Promise<{ stream: Hex; keyHash: Hex } | undefined> {
    const [row] = await this.#database.sql
      .select({ stream: streamKeys.stream, keyHash: streamKeys.keyHash })
      .from(streamKeys)
      .where(and(eq(streamKeys.keyHash, keyHash), isNull(streamKeys.revokedAtMs)));
    return row;
  }

  /** A new key beside the old ones, which end when they are revoked. */
  async addKey(stream: Hex, keyHash: Hex, nowMs: number): Promise<void> {
    await this.#database.sql.insert(streamKeys).values({ keyHash, stream, createdAtMs: nowMs });
  }

  async revokeKeys(stream: Hex, except: Hex, nowMs: number): Promise<void> {
    await this.#database.sql
      .update(streamKeys)
      .set({ revokedAtMs: nowMs })
      .where(and(eq(streamKeys.stream, stream), ne(streamKeys.keyHash, except), isNull(streamKeys.revokedAtMs)));
  }

  async open(): Promise<StreamRow[]> {
    return this.#database.sql
      .select()
      .from(streams)
      .where(inArray(streams.state, ["created", "live"]));
  }

  /** Newest first. */
  async list(buyer: Address, limit: number, before?: StreamPlace): Promise<StreamRow[]> {
    return this.#database.sql
      .select()
      .from(streams)
      .where(and(eq(streams.buyer, buyer), isBehind(before)))
      .orderBy(desc(streams.createdAtMs), desc(streams.id))
      .limit(limit);
  }

  async lease(stream: Hex): Promise<LeaseRow | undefined> {
    const [row] = await this.#database.sql.select().from(leases).where(eq(leases.stream, stream));
    return row;
  }

  async leases(): Promise<LeaseRow[]> {
    return this.#database.sql.select().from(leases);
  }

  async putLease(row: LeaseRow): Promise<void> {
    await this.#database.sql.insert(leases).values(row).onConflictDoUpdate({ target: leases.stream, set: row });
  }

  async dropLease(stream: Hex): Promise<void> {
    await this.#database.sql.delete(leases).where(eq(leases.stream, stream));
  }
}

function isBehind(place: StreamPlace | undefined) {
  if (place === undefined) return undefined;
  const { createdAtMs, id } = place;
  const isOlder = lt(streams.createdAtMs, createdAtMs);
  return id === undefined ? isOlder : or(isOlder, and(eq(streams.createdAtMs, createdAtMs), lt(streams.id, id)));
}
