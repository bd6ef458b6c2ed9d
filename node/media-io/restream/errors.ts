import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why a stream is not sent on to a target. The buyer is told the code and none of the facts. */
export class RestreamError extends CodedError<
  /** `target`: its name, where a buyer named several. */
  | { code: "RESTREAM_URL_INVALID"; target?: string }
  | { code: "RESTREAM_PASSPHRASE_INVALID"; target?: string }
  | { code: "RESTREAM_SCHEME_REFUSED"; scheme: string; target?: string }
  | { code: "RESTREAM_ADDRESS_REFUSED"; host: string }
  /** Also for a name that leads inside: whether it has an address there is nobody's business. */
  | { code: "RESTREAM_NAME_REFUSED"; host: string }
  | { code: "RESTREAM_UNREACHABLE"; reason: string }
  | { code: "RESTREAM_REFUSED"; status: string }
  | { code: "RESTREAM_LOST" }
  | { code: "RESTREAM_TIMEOUT"; timeoutMs: number }
  | { code: "RESTREAM_STREAM_AWAY" }
  | { code: "RESTREAM_UNBUDGETED" }
  | { code: "RESTREAM_TARGETS_EXCEEDED"; limit: number }
  | { code: "RESTREAM_DISABLED" }
  | { code: "RESTREAM_SRT_MISSING" }
> {}
