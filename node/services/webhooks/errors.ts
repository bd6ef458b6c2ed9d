import { CodedError } from "@leat/sdk/base/errors.ts";

export class WebhookError extends CodedError<
  | { code: "WEBHOOK_ENDPOINT_UNKNOWN"; endpoint: string }
  | { code: "WEBHOOK_ENDPOINTS_MANY"; most: number }
  | { code: "WEBHOOK_ENDPOINTS_FULL" }
  | { code: "WEBHOOK_URL_INVALID" }
  | { code: "WEBHOOK_SCHEME_REFUSED"; scheme: string }
  | { code: "WEBHOOK_ADDRESS_REFUSED"; host: string }
> {}
