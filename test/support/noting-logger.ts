import type { Logger } from "@leat/sdk/base/logger.ts";

/** A logger whose lines a test can read: `LEVEL PHRASE FACTS`, its children's too. */
export function noteInto(lines: string[]): Logger {
  const readable = (_name: string, fact: unknown) => (typeof fact === "bigint" ? String(fact) : fact);
  const note =
    (level: string) =>
    (phrase: string, facts: object = {}) =>
      void lines.push(`${level} ${phrase} ${JSON.stringify(facts, readable)}`);
  const [debug, info, warn, error] = [note("debug"), note("info"), note("warn"), note("error")];
  const logger: Logger = { debug, info, warn, error, child: () => logger };
  return logger;
}
