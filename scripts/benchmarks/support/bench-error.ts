import { CodedError } from "@leat/sdk/base/errors.ts";

/** What a benchmark needs and this machine has not, or what it must not find. */
export class BenchError extends CodedError<
  | { code: "BENCH_PEER_MISSING"; peer: string; packages: string }
  | { code: "BENCH_PEER_FAILED"; peer: string; reason: string }
  | { code: "BENCH_SOAK_ROSE"; rising: string }
  | { code: "BENCH_LIMIT_MISSED"; missed: string }
> {}
