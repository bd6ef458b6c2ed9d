import { type Static, Type } from "typebox";
import { CodedError } from "../base/errors.ts";
import { hashCanonical } from "./canonical.ts";
import type { Domain } from "./eip712.ts";
import type { Address } from "./hex.ts";
import { multiaddrSchema, pricesSchema, primitiveSchema, urlSchema, videoCodecSchema } from "./job.ts";
import { MAX_CLOCK_ERROR_SECONDS, MAX_MULTIADDRS } from "./limits.ts";
import { addressSchema, closedObject, countSchema, listSchema, signatureSchema, unsignedSchema } from "./schemas.ts";
import { type Offer, offerStructure } from "./signed.ts";
import type { StatementSigner, Statements } from "./statements.ts";

export const regionSchema = Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" });

/** What a node sells in one cluster, where, and for how much. */
export const offerBodySchema = closedObject({
  cluster: unsignedSchema(256),
  region: regionSchema,
  /** Capacity in the primitive's own unit: ingest streams, output pixels a second, bytes stored, bytes a second. */
  primitives: listSchema(closedObject({ primitive: primitiveSchema, capacity: countSchema }), 4),
  /** Output pixels a second, measured by encoding at start, never taken from a list. */
  codecs: listSchema(closedObject({ codec: videoCodecSchema, pixelsPerSecond: countSchema }), 4),
  prices: listSchema(closedObject({ token: addressSchema, prices: pricesSchema }), 8),
  multiaddrs: listSchema(multiaddrSchema, MAX_MULTIADDRS),
  httpUrl: Type.Optional(urlSchema),
  /** Rises with every offer of the node in the cluster; the newest stands. */
  sequence: unsignedSchema(64),
  /** Seconds since 1970. */
  validUntil: unsignedSchema(64),
});
export type OfferBody = Static<typeof offerBodySchema>;

/** An offer as it travels. The Offer structure is computed from it, so that nothing can be said twice and differ. */
export const signedOfferSchema = closedObject({
  node: addressSchema,
  body: offerBodySchema,
  signature: signatureSchema,
});
export type SignedOffer = Static<typeof signedOfferSchema>;

export class OfferError extends CodedError<
  | { code: "OFFER_SIGNER_WRONG"; node: Address; found: Address }
  | { code: "OFFER_EXPIRED"; validUntil: bigint; nowS: bigint }
> {}

/** The structure that the node signs. */
export function offerOf(node: Address, body: OfferBody): Offer {
  return {
    node,
    cluster: body.cluster,
    contentHash: hashCanonical("leat.offer.1", body),
    sequence: body.sequence,
    validUntil: body.validUntil,
  };
}

export async function signOffer(signer: StatementSigner, domain: Domain, body: OfferBody): Promise<SignedOffer> {
  const node = signer.address;
  return { node, body, signature: await signer.sign(offerStructure, domain, offerOf(node, body)) };
}

/** Whether an offer still stands at `nowS`, by a clock that may differ from its node's. */
export function isOfferOver({ validUntil }: Pick<OfferBody, "validUntil">, nowS: bigint): boolean {
  return validUntil + BigInt(MAX_CLOCK_ERROR_SECONDS) <= nowS;
}

/** Throws unless the offer still stands at `nowS` and its node signed it. The signature comes last: it costs most. */
export function verifyOffer(
  statements: Pick<Statements, "recoverSigner">,
  domain: Domain,
  offer: SignedOffer,
  nowS: bigint,
): void {
  const { node, body, signature } = offer;
  if (isOfferOver(body, nowS)) throw new OfferError({ code: "OFFER_EXPIRED", validUntil: body.validUntil, nowS });
  const found = statements.recoverSigner(offerStructure, domain, offerOf(node, body), signature);
  if (found !== node) throw new OfferError({ code: "OFFER_SIGNER_WRONG", node, found });
}
