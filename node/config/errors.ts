import { CodedError } from "@leat/sdk/base/errors.ts";

export type ConfigSource = "default" | "network" | "file" | "environment" | "flag";

export class ConfigError extends CodedError<
  | { code: "CONFIG_KEY_UNKNOWN"; key: string; source: ConfigSource; nearest?: string }
  | { code: "CONFIG_WORD_EXCESS"; found: string }
  /** `at`: which entry and field of it, where it has such: `[0].token`. */
  | { code: "CONFIG_VALUE_INVALID"; key: string; source: ConfigSource; at?: string; wanted: string; found: string }
  | { code: "CONFIG_VALUE_MISSING"; key: string; wanted: string }
  | { code: "CONFIG_FILE_UNREADABLE"; path: string; reason: string }
  | { code: "CONFIG_NETWORK_UNKNOWN"; name: string; known: string }
> {}

/** `name` is what the person typed: a flag, a variable, or a key in the file, whose path is `file`. */
export function unknownKey(name: string, source: ConfigSource, known: readonly string[], file?: string): ConfigError {
  const nearest = findNearest(name, known);
  const hint = nearest === undefined ? 'see "leat config print"' : `did you mean ${nearest}?`;
  return new ConfigError(
    { code: "CONFIG_KEY_UNKNOWN", key: name, source, nearest },
    { message: `${file === undefined ? "" : `${file}: `}there is no setting ${name}; ${hint}` },
  );
}

/** A word that no setting takes. */
export function excess(word: string): ConfigError {
  const found = word.slice(0, 200);
  return new ConfigError(
    { code: "CONFIG_WORD_EXCESS", found },
    { message: `nothing takes "${found}"; a setting is given as --section.name value` },
  );
}

/** The known name that takes the fewest edits to reach, if it is near enough to be what was meant. */
export function findNearest(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let fewest = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const edits = countEdits(name.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) [nearest, fewest] = [candidate, edits];
  }
  return nearest;
}

function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const swap = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
