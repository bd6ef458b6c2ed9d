import { setFlagsFromString } from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";
import type { SqlAnswer, SqlOpened, SqlRequest, SqlWorkerData } from "./messages.ts";
import { PreparedStatements } from "./prepared-statements.ts";
import { WalSync } from "./wal-sync.ts";

/**
 * The thread that holds one embedded PostgreSQL. It answers in order, keeps a transaction's statements together, and
 * answers a write only when the log is on disk; writes that wait at the same time share one sync.
 */

const port = parentPort!;
const { location } = workerData as SqlWorkerData;
/** Writes answered by one sync at most: more would make the first of them wait for nothing. */
const groupLimit = 64;

// The optimising compiler takes half a gigabyte and a second for PostgreSQL's largest functions, and statements are no
// cheaper afterwards: most of their time passes outside. The flags hold for what this process compiles from here on.
setFlagsFromString("--no-wasm-tier-up");
setFlagsFromString("--no-wasm-dynamic-tiering");

const waiting: SqlRequest[] = [];
const unsynced: SqlAnswer[] = [];
let transaction: number | undefined;
let working = false;

const database = await open();
const statements = new PreparedStatements(database);
const walSync = new WalSync(location);

port.on("message", (request: SqlRequest) => {
  waiting.push(request);
  if (!working) void work();
});

async function open(): Promise<PGlite> {
  try {
    const opened = await PGlite.create({
      dataDir: location,
      // 128 MB by default, all of it resident: a cluster's hot rows are a few. Statistics from 3,000 rows of a table
      // instead of 30,000, since statements wait while they are taken.
      postgresqlconf: ["shared_buffers = 8MB", "default_statistics_target = 10"],
    });
    tell({ opened: true });
    return opened;
  } catch (error) {
    tell({ opened: false, reason: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

async function work(): Promise<void> {
  working = true;
  for (let request = takeNext(); request !== undefined; request = takeNext()) {
    if (request.kind === "close") {
      await close(request.id);
      return;
    }
    await answer(request);
    if (unsynced.length >= groupLimit) release();
    // Lets the messages in that came meanwhile, so that they share the sync.
    if (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  release();
  working = false;
}

/** While a transaction is open only its own statements run. */
function takeNext(): SqlRequest | undefined {
  if (transaction === undefined) return waiting.shift();
  const at = waiting.findIndex(
    (request) => "transaction" in request && request.transaction === transaction && request.kind !== "begin",
  );
  return at < 0 ? undefined : waiting.splice(at, 1)[0];
}

async function answer(request: Exclude<SqlRequest, { kind: "close" }>): Promise<void> {
  try {
    if (request.kind === "query") {
      const rows = await statements.query(request.sql, request.params, request.rowMode);
      settle({ id: request.id, rows }, request.transaction === undefined && !/^\s*select\b/i.test(request.sql));
      return;
    }
    if (request.kind === "begin") {
      await database.query("BEGIN");
      transaction = request.transaction;
      tell({ id: request.id, rows: [] });
      return;
    }
    transaction = undefined;
    await database.query(request.commit ? "COMMIT" : "ROLLBACK");
    settle({ id: request.id, rows: [] }, request.commit);
  } catch (error) {
    const sqlState = (error as { code?: unknown }).code;
    tell({
      id: request.id,
      error: error instanceof Error ? error.message : String(error),
      ...(typeof sqlState === "string" ? { sqlState } : {}),
    });
  }
}

function settle(result: SqlAnswer, wrote: boolean): void {
  if (wrote) unsynced.push(result);
  else tell(result);
}

function release(): void {
  if (unsynced.length === 0) return;
  walSync.sync();
  for (const result of unsynced.splice(0)) tell(result);
}

async function close(id: number): Promise<void> {
  release();
  await database.close();
  tell({ id, rows: [] });
  port.close();
}

function tell(message: SqlAnswer | SqlOpened): void {
  port.postMessage(message);
}
