import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why this node pulls nothing. */
export class PullingError extends CodedError<{ code: "PULL_DISABLED" }> {}
