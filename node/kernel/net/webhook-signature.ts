import { createHmac } from "node:crypto";

/** Headers of everything that Leat posts to somebody's server. docs/buyers/webhooks.md tells how they are checked. */
export const WEBHOOK_ID_HEADER = "leat-webhook-id";
export const WEBHOOK_TIME_HEADER = "leat-webhook-timestamp";
export const WEBHOOK_SIGNATURE_HEADER = "leat-webhook-signature";

/**
 * `v1=` and the HMAC-SHA256 of `timestamp.body` under the secret that both sides hold. The time stands under the
 * signature, so that what was recorded cannot be sent again later.
 */
export function signWebhook(
  secret: string,
  { id, body, nowMs }: { readonly id: string; readonly body: string; readonly nowMs: number },
): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const digest = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  return {
    "content-type": "application/json",
    [WEBHOOK_ID_HEADER]: id,
    [WEBHOOK_TIME_HEADER]: timestamp,
    [WEBHOOK_SIGNATURE_HEADER]: `v1=${digest}`,
  };
}
