/** Flat facts of a log line: no keys, tokens, stream keys or payloads. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A logger takes a fixed phrase, verb first, and facts as flat fields. `child` fixes some facts for all its lines. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}

/** Says nothing: for tests and for callers that want silence. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silentLogger,
};
