import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { ladderSchema, type Prices, priceUnits } from "@leat/sdk/protocol/job.ts";
import { ladderNamePattern } from "@leat/sdk/protocol/named-ladders.ts";
import { regionSchema } from "@leat/sdk/protocol/offer-body.ts";
import { MAX_PLAYBACK_TOKEN, playbackRequestSchema } from "@leat/sdk/protocol/playback.ts";
import { pullRequestSchema } from "@leat/sdk/protocol/pull.ts";
import { restreamTargetsSchema } from "@leat/sdk/protocol/restream.ts";
import { addressSchema, closedObject, hashSchema } from "@leat/sdk/protocol/schemas.ts";
import { type Static, Type } from "typebox";
import type { StreamPlace } from "../../store/sql/stream-store.ts";

/** Integers beyond 2^53 travel as decimal text. */
const decimal = (digits: number) => Type.String({ pattern: `^[0-9]{1,${digits}}$` });

export const createStreamSchema = closedObject({
  ladder: Type.Union([ladderSchema, Type.String({ pattern: ladderNamePattern })]),
  passthrough: Type.Optional(Type.Boolean()),
  token: addressSchema,
  nonce: hashSchema,
  unsignedBudgetBytes: Type.Optional(decimal(18)),
  priceCeilings: Type.Optional(
    closedObject(Object.fromEntries(priceUnits.map((unit) => [unit, Type.Optional(decimal(38))]))),
  ),
  region: Type.Optional(regionSchema),
  playback: Type.Optional(playbackRequestSchema),
  pull: Type.Optional(pullRequestSchema),
  targets: Type.Optional(restreamTargetsSchema),
});
export type CreateStreamBody = Static<typeof createStreamSchema>;

/** The id, or the short form that stands in addresses. */
export const streamParams = closedObject({
  stream: Type.String({ pattern: "^(0x[0-9a-f]{64}|[A-Za-z0-9_-]{8,64})$" }),
});
/** Also one that no stream can have: it is unknown, as others are. */
export const slugParams = closedObject({ slug: Type.String() });
export const selectionParams = closedObject({ id: hashSchema });
export const tableParams = closedObject({ tableRoot: hashSchema });
export const candidateParams = closedObject({ tableRoot: hashSchema, node: addressSchema });
/** A viewer's token, where the stream is not public. */
export const playQuery = closedObject({
  token: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9._~-]+$", minLength: 1, maxLength: MAX_PLAYBACK_TOKEN })),
});
export const rotateBody = closedObject({ revokeOld: Type.Optional(Type.Boolean()) });

/**
 * Lists come in pages of at most 200; `before` is the last row's time of the page before and, so that none of one
 * millisecond is left out, its id: `1700000000000.0x…`.
 */
export const pageQuery = closedObject({
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  before: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}(\\.0x[0-9a-f]{64})?$" })),
});
export type PageQuery = Static<typeof pageQuery>;

export function readPlace(before: string | undefined): StreamPlace | undefined {
  if (before === undefined) return undefined;
  const [time, id] = before.split(".");
  return { createdAtMs: Number(time), ...(id === undefined ? {} : { id: id as Hex }) };
}

/** `before` is time and hash of the last receipt of the page that came before: `1700000000000.0x…`. */
export const receiptsQuery = closedObject({
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  before: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}\\.0x[0-9a-f]{64}$" })),
});
export type ReceiptsQuery = Static<typeof receiptsQuery>;

export function readPosition(place: string | undefined): { receivedAtMs: number; hash: Hex } | undefined {
  if (place === undefined) return undefined;
  const [time, hash] = place.split(".");
  return { receivedAtMs: Number(time), hash: hash as Hex };
}

export const offsetQuery = closedObject({
  limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 500 }),
  offset: Type.Integer({ minimum: 0, maximum: 100_000, default: 0 }),
});
export type OffsetQuery = Static<typeof offsetQuery>;

export function readPrices(texts: Readonly<Record<string, string | undefined>> | undefined): Prices {
  const entries = Object.entries(texts ?? {}).flatMap(([unit, text]) =>
    text === undefined ? [] : [[unit, BigInt(text)]],
  );
  return Object.fromEntries(entries) as Prices;
}

export const targetsBody = closedObject({ targets: restreamTargetsSchema });
export type TargetsBody = Static<typeof targetsBody>;
