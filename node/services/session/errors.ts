import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";

export class SessionError extends CodedError<
  | { code: "SESSION_NOT_CONNECTED"; balancer?: Address }
  | { code: "SESSION_WRONG_BALANCER"; wanted: Address; found: Address }
  /** `aheadMs`: of this machine's clock before the balancer's; below 0 where it is behind. */
  | { code: "SESSION_CLOCK_WRONG"; balancer: Address; aheadMs: number }
> {}
