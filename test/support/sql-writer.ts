import { idempotencyKeys } from "../../node/store/sql/schema.ts";
import { openEmptyDatabase } from "./empty-database.ts";

/** A process that writes pairs of rows, several transactions at once, and tells how many are acknowledged, until killed. */
const database = await openEmptyDatabase(process.argv[2]!);
let next = 0;
let acknowledged = 0;

async function write(): Promise<void> {
  for (;;) {
    const number = next;
    next += 1;
    await database.transaction(async (tx) => {
      for (const half of [0, 1]) {
        const row = { key: `${number} ${half}`, fingerprint: "", createdAtMs: number };
        await tx.insert(idempotencyKeys).values(row);
      }
    });
    acknowledged += 1;
    process.send?.(acknowledged);
  }
}

await Promise.all([write(), write(), write()]);
