import { type Static, Type } from "typebox";
import { nameSchema } from "./job.ts";
import { closedObject, listSchema } from "./schemas.ts";

/** Servers that one stream is sent on to: what a person watches over, and each takes the rung's rate of its edge. */
export const MAX_TARGETS = 8;

/** A server that a stream is sent on to, as a buyer writes it. The address holds a key: nobody is shown it again. */
export const restreamTargetSchema = closedObject({
  /** By which the buyer knows it: one of its kind in a stream. */
  name: Type.String({ pattern: "^[A-Za-z0-9_-]{1,32}$" }),
  url: Type.String({ minLength: 8, maxLength: 2_048, pattern: "^[A-Za-z][A-Za-z0-9+.-]*://[!-~]+$" }),
  /** A rung's name; absent: the largest of H.264. */
  rung: Type.Optional(nameSchema),
});
export type RestreamTarget = Static<typeof restreamTargetSchema>;

export const restreamTargetsSchema = listSchema(restreamTargetSchema, MAX_TARGETS);
