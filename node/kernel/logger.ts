import type { LogFields, Logger } from "@leat/sdk/base/logger.ts";
import { type DestinationStream, destination, type Logger as Pino, pino } from "pino";
import { type Static, Type } from "typebox";

export const logOptions = Type.Object(
  {
    level: Type.Union(
      [
        Type.Literal("silent"),
        Type.Literal("error"),
        Type.Literal("warn"),
        Type.Literal("info"),
        Type.Literal("debug"),
      ],
      { default: "info", description: "Least level of log lines that are written" },
    ),
  },
  { default: {}, additionalProperties: false },
);

export type LogOptions = Static<typeof logOptions>;

/** Field names, in lower case, whose values are never written, at any depth. */
const SECRET_NAMES = new Set(["key", "secret", "token", "streamkey", "authorization", "privatekey", "password"]);
const MAX_DEPTH = 4;

/** JSON lines to stderr, so that stdout stays free for a command's answer. */
export function createLogger(
  options: LogOptions,
  output: DestinationStream = destination({ fd: 2, sync: true }),
): Logger {
  return wrap(pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, output));
}

function wrap(line: Pino): Logger {
  return {
    error: (message, fields) => line.error(clean(fields), message),
    warn: (message, fields) => line.warn(clean(fields), message),
    info: (message, fields) => line.info(clean(fields), message),
    debug: (message, fields) => {
      if (line.isLevelEnabled("debug")) line.debug(clean(fields), message);
    },
    child: (fields) => wrap(line.child(clean(fields))),
  };
}

function clean(fields: LogFields = {}): Record<string, unknown> {
  return redact(fields, 0) as Record<string, unknown>;
}

/** A copy without secrets that JSON can hold: bigint as a decimal string, errors as code, message and stack. */
function redact(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Error) return redact(describeError(value), depth);
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET_NAMES.has(name.toLowerCase()) ? "***" : redact(inner, depth + 1),
    ]),
  );
}

function describeError(error: Error): Record<string, unknown> {
  const detail = (error as { detail?: unknown }).detail;
  // A coded error is expected: its facts say enough, its stack would only fill the log.
  if (detail !== undefined) return { ...(detail as Record<string, unknown>), message: error.message };
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  };
}
