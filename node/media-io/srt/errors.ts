import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why SRT is not spoken here, or a publisher by SRT is refused or ends. */
export class SrtError extends CodedError<
  | { code: "SRT_LIBRARY_MISSING"; tried: string }
  | { code: "SRT_PORT_BUSY"; host: string; port: number }
  | { code: "SRT_ADDRESS_UNUSABLE"; host: string; port: number; reason: string }
  | { code: "SRT_THREAD_LOST" }
  | { code: "SRT_STREAMID_INVALID" }
  | { code: "SRT_MODE_UNSUPPORTED"; mode: string }
  | { code: "SRT_KEY_UNENCRYPTED" }
  | { code: "SRT_CONNECTIONS_EXCEEDED"; limit: number }
  | { code: "SRT_IDLE"; timeoutMs: number }
  | { code: "SRT_STOPPED" }
> {}
