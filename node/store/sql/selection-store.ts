import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import { bodyFromText } from "@leat/sdk/selection/receipt.ts";
import { desc, eq } from "drizzle-orm";
import type { SqlDatabase } from "./database.ts";
import { candidateTables, seedEpochs, selections, standings } from "./schema.ts";

export type SelectionRow = typeof selections.$inferSelect;
export type SeedEpochRow = typeof seedEpochs.$inferSelect;
export type StandingRow = typeof standings.$inferSelect;

const MAX_DECISIONS = 16;

/** Decisions, the tables they were made from, the seeds they used, and what is known of nodes. */
export class SelectionStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  /** A decision with its table: nobody can be shown the one without the other. */
  async add(row: SelectionRow, rows: readonly Candidate[]): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx
        .insert(candidateTables)
        .values({ root: row.tableRoot, rows, createdAtMs: row.decidedAtMs })
        .onConflictDoNothing();
      await tx.insert(selections).values(row);
    });
  }

  async find(id: Hex): Promise<SelectionRow | undefined> {
    const [row] = await this.#database.sql.select().from(selections).where(eq(selections.id, id));
    return row;
  }

  /** The newest that drew this node, among the last few, or else the newest: nodes are chosen one after another. */
  async newestFor(job: Hex, node: Address): Promise<SelectionRow | undefined> {
    const rows = await this.#lastOf(job);
    return rows.find(({ body }) => bodyFromText(body).drawn.some((drawn) => drawn.node === node)) ?? rows[0];
  }

  /** The newest that one of these nodes won, among the last few: a decision may come to nothing. */
  async newestWonBy(job: Hex, nodes: readonly Address[]): Promise<SelectionRow | undefined> {
    const rows = await this.#lastOf(job);
    return rows.find(({ receipt }) => nodes.includes(receipt.value.winner));
  }

  #lastOf(job: Hex): Promise<SelectionRow[]> {
    return this.#database.sql
      .select()
      .from(selections)
      .where(eq(selections.job, job))
      .orderBy(desc(selections.decidedAtMs))
      .limit(MAX_DECISIONS);
  }

  async table(root: Hex): Promise<readonly Candidate[] | undefined> {
    const [row] = await this.#database.sql.select().from(candidateTables).where(eq(candidateTables.root, root));
    return row?.rows;
  }

  async newestEpoch(): Promise<SeedEpochRow | undefined> {
    const [row] = await this.#database.sql.select().from(seedEpochs).orderBy(desc(seedEpochs.epoch)).limit(1);
    return row;
  }

  async epoch(epoch: number): Promise<SeedEpochRow | undefined> {
    const [row] = await this.#database.sql.select().from(seedEpochs).where(eq(seedEpochs.epoch, epoch));
    return row;
  }

  async addEpoch(row: SeedEpochRow): Promise<void> {
    await this.#database.sql.insert(seedEpochs).values(row);
  }

  async useSeed(epoch: number, used: number): Promise<void> {
    await this.#database.sql.update(seedEpochs).set({ used }).where(eq(seedEpochs.epoch, epoch));
  }

  async standings(): Promise<StandingRow[]> {
    return this.#database.sql.select().from(standings);
  }

  async putStanding(row: StandingRow): Promise<void> {
    await this.#database.sql.insert(standings).values(row).onConflictDoUpdate({ target: standings.node, set: row });
  }

  async standing(node: Address): Promise<StandingRow | undefined> {
    const [row] = await this.#database.sql.select().from(standings).where(eq(standings.node, node));
    return row;
  }
}
