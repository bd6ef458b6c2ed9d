import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";

/**
 * A value of our own as text of the statement, for columns by which a partial index is chosen: a plan that is kept for any
 * value of a parameter cannot know that the index holds it.
 *
 * @param value A truth value, a whole number or a word of small letters.
 */
export function literal(value: boolean | number | string): SQL {
  const text = String(value);
  if (typeof value === "string" && /^[a-z_]+$/.test(text)) return sql.raw(`'${text}'`);
  if (typeof value === "boolean" || Number.isSafeInteger(value)) return sql.raw(text);
  throw new TypeError(`no literal: ${text}`);
}

/** Whether the column has one of these, which stand in the statement. */
export function isOneOf<C extends PgColumn>(column: C, values: readonly C["_"]["data"][]): SQL {
  return sql`${column} in (${sql.join(
    values.map((value) => literal(value as string)),
    sql`, `,
  )})`;
}
