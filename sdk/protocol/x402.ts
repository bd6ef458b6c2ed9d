import { type Static, Type } from "typebox";
import type { Hex } from "./hex.ts";

/** What both ends of the x402 door say beyond the public format, whose types are those of `@x402/core`. */

export const X402_VERSION = 2;
/** The scheme of our own: a channel is topped up once, later requests bring vouchers. */
export const CHANNEL_SCHEME = "leat-channel";
/** Extension of a 402 and of a settlement: the prepaid balance, and the token that spends it. */
export const PREPAID_EXTENSION = "leat-prepaid";
/** Header of every answer to who spends a balance: whole base units left. */
export const BALANCE_HEADER = "leat-prepaid-balance";
/** Of a payment header, characters. A voucher with its top-up takes 2,500; the server's limit for all headers is 16 KiB. */
export const MAX_PAYMENT_HEADER = 8_192;

/** CAIP-2 name of an EVM chain. */
export function networkOf(chainId: number): `eip155:${number}` {
  return `eip155:${chainId}`;
}

// Wallets write addresses in mixed case: whoever compares one makes it lower first.
const bytes = (size: number) => Type.Unsafe<Hex>(Type.String({ pattern: `^0x[0-9a-fA-F]{${2 * size}}$` }));
const decimal = Type.String({ pattern: "^[0-9]{1,78}$" });
const signature = Type.Unsafe<Hex>(Type.String({ pattern: "^0x([0-9a-fA-F]{128}|[0-9a-fA-F]{130})$" }));
const strict = { additionalProperties: false };

/** `payload` of the exact scheme by EIP-3009. */
export const exactPayloadSchema = Type.Object(
  {
    signature,
    authorization: Type.Object(
      {
        from: bytes(20),
        to: bytes(20),
        value: decimal,
        validAfter: decimal,
        validBefore: decimal,
        nonce: bytes(32),
      },
      strict,
    ),
  },
  strict,
);
export type ExactPayload = Static<typeof exactPayloadSchema>;

/** A signed voucher, its integers as decimal text. */
const voucherSchema = Type.Object(
  { value: Type.Record(Type.String({ maxLength: 16 }), Type.Unknown()), signature },
  strict,
);

/** `payload` of our scheme: the channel's next voucher and, where its reserve is too small for it, a top-up. */
export const channelPayloadSchema = Type.Object(
  {
    voucher: voucherSchema,
    topUp: Type.Optional(
      Type.Object({ value: decimal, validAfter: decimal, validBefore: decimal, salt: bytes(32), signature }, strict),
    ),
  },
  strict,
);
export type ChannelPayload = Static<typeof channelPayloadSchema>;

/** What the payee says of a channel, in answers to whoever showed a signature of its payer. */
export const channelInfoSchema = Type.Object({
  /** The newest voucher that it holds: a payer that lost its store goes on from it. */
  held: Type.Optional(voucherSchema),
  /** Base units, confirmed and not thawing. */
  reserve: decimal,
  collected: decimal,
});
export type ChannelInfo = Static<typeof channelInfoSchema>;

/** What spends a prepaid balance: `Authorization: Bearer <token>`, until `expiresAt` (seconds since 1970). */
export const prepaidInfoSchema = Type.Object({
  token: Type.String({ pattern: "^[A-Za-z0-9_-]{16,128}$" }),
  expiresAt: Type.Integer({ minimum: 0 }),
  balance: decimal,
});
export type PrepaidInfo = Static<typeof prepaidInfoSchema>;
