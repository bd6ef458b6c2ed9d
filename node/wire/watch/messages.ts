import { MAX_WATCH_VOUCHERS } from "@leat/sdk/protocol/limits.ts";
import {
  closedObject,
  hashSchema,
  listSchema,
  publicCodeSchema,
  signedSchema,
  unsignedSchema,
} from "@leat/sdk/protocol/schemas.ts";
import { voucherStructure } from "@leat/sdk/protocol/signed.ts";
import { defineMethods, type RequestOf, type ResponseOf } from "../methods.ts";

/** What a payee says to a watchtower. Vouchers prove themselves; who leaves them is known from the connection. */

export const WATCH_PROTOCOL = "/leat/watch/1.0.0";

export const watchMethods = defineMethods({
  "watch.keep": {
    request: closedObject({ vouchers: listSchema(signedSchema(voucherStructure), MAX_WATCH_VOUCHERS) }),
    /** `kept`: on the tower's disk. A channel that is in neither list was asked for twice. */
    response: closedObject({
      kept: listSchema(closedObject({ channel: hashSchema, cumulative: unsignedSchema(128) }), MAX_WATCH_VOUCHERS),
      refused: listSchema(closedObject({ channel: hashSchema, code: publicCodeSchema }), MAX_WATCH_VOUCHERS),
    }),
  },
});

export type WatchMethods = typeof watchMethods;
export type KeepRequest = RequestOf<WatchMethods, "watch.keep">;
export type KeepAnswer = ResponseOf<WatchMethods, "watch.keep">;
