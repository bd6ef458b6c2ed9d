import type { Static, TSchema } from "typebox";

/** One call: what is asked and what is answered. A failure is answered by a public code instead. */
export interface MethodSchemas {
  readonly request: TSchema;
  readonly response: TSchema;
  /** They may be a little late: where many are sent, they and their answers go out in rows. */
  readonly isGathered?: boolean;
  /** They may be later: a busy host takes them in rows, too. */
  readonly isPatient?: boolean;
}

export type MethodTable = Readonly<Record<string, MethodSchemas>>;
export type RequestOf<T extends MethodTable, M extends keyof T> = Static<T[M]["request"]>;
export type ResponseOf<T extends MethodTable, M extends keyof T> = Static<T[M]["response"]>;

export function defineMethods<const T extends MethodTable>(methods: T): T {
  return Object.freeze(methods);
}
