import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";

/** The default values of an options fragment, some of them replaced. */
export function defaultsOf<S extends TSchema>(schema: S, changes: Partial<Static<S>> = {}): Static<S> {
  return { ...(Value.Default(schema, {}) as object), ...(changes as object) } as Static<S>;
}
