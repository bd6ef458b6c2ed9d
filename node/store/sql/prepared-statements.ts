import { type PGlite, parse, protocol } from "@electric-sql/pglite";
import { Recent } from "../../kernel/recent.ts";

/** Statements that are prepared, and texts that were asked once, at most. */
const MOST_KNOWN = 256;
/** Longer ones are rows without end, or lists of any length: each is asked seldom, and its plan is large. */
const LONGEST = 8_192;
/**
 * Plans are made for tables as they are. Embedded, nobody counts how they grow, and a plan for a small table may read all
 * of it: after so many statements each is planned anew.
 */
const PLAN_EVERY = 1_000;

interface Prepared {
  readonly name: string;
  /** PostgreSQL's numbers of the parameters' types. */
  readonly types: readonly number[];
  /** What its rows look like; empty where it has none. */
  readonly fields: Messages;
}

type Messages = Parameters<typeof parse.parseResults>[0];

/**
 * Has PostgreSQL read and plan a statement once for all the times that it is asked, which costs more than a small one
 * itself. What is asked once, is long, or is no statement of rows, runs as it comes.
 */
export class PreparedStatements {
  readonly #database: PGlite;
  /** By their text, the one that was asked last at the end. */
  readonly #prepared = new Map<string, Prepared>();
  readonly #asked = new Recent<string, true>(MOST_KNOWN);
  #made = 0;
  #runs = 0;

  constructor(database: PGlite) {
    this.#database = database;
  }

  /** @throws an error with PostgreSQL's code. */
  async query(sql: string, params: readonly unknown[], rowMode: "array" | "object"): Promise<readonly unknown[]> {
    const prepared = await this.#find(sql);
    if (prepared === undefined) return (await this.#database.query(sql, [...params], { rowMode })).rows;
    await this.#planAnew();
    const { serialize } = protocol;
    const { name: statement, types, fields } = prepared;
    const values = params.map((value, at) => this.#serialize(value, types[at]!));
    const messages = await this.#execute(serialize.bind({ statement, values }), serialize.execute());
    return parse.parseResults([...fields, ...messages], this.#database.parsers, { rowMode })[0]!.rows;
  }

  /** Undefined where the statement is to run as it comes. */
  async #find(sql: string): Promise<Prepared | undefined> {
    if (sql.length > LONGEST || !/^\s*(select|insert|update|delete|with)\b/i.test(sql)) return undefined;
    const known = this.#prepared.get(sql);
    if (known === undefined && !this.#asked.get(sql)) {
      this.#asked.set(sql, true);
      return undefined;
    }
    const prepared = known ?? (await this.#prepare(sql));
    this.#prepared.delete(sql);
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > MOST_KNOWN) await this.#forgetOldest();
    return prepared;
  }

  async #prepare(text: string): Promise<Prepared> {
    const { serialize } = protocol;
    const name = `leat_${this.#made}`;
    this.#made += 1;
    const messages = await this.#execute(serialize.parse({ name, text }), serialize.describe({ type: "S", name }));
    const fields = messages.filter((message) => message.name === "rowDescription");
    return { name, types: parse.parseDescribeStatementResults(messages), fields };
  }

  async #forgetOldest(): Promise<void> {
    const [sql, { name }] = this.#prepared.entries().next().value!;
    this.#prepared.delete(sql);
    await this.#execute(protocol.serialize.close({ type: "S", name }));
  }

  async #planAnew(): Promise<void> {
    this.#runs += 1;
    if (this.#runs < PLAN_EVERY || this.#database.isInTransaction()) return;
    this.#runs = 0;
    await this.#database.query("DISCARD PLANS");
  }

  #serialize(value: unknown, type: number): string | null {
    if (value === null || value === undefined) return null;
    return this.#database.serializers[type]?.(value) ?? String(value);
  }

  /** All at once: each call into PostgreSQL has its price. */
  async #execute(...parts: readonly Uint8Array[]): Promise<Messages> {
    const message = Buffer.concat([...parts, protocol.serialize.sync()]);
    return this.#database.execProtocolStream(message, { syncToFs: false });
  }
}
