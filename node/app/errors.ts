import { CodedError } from "@leat/sdk/base/errors.ts";

export class AppError extends CodedError<
  | { code: "APP_NETWORK_MISSING" }
  | { code: "APP_RPC_MISSING"; network: string }
  | { code: "APP_ROLES_MISSING" }
  | { code: "APP_CLUSTER_UNKNOWN"; cluster: string }
> {}
