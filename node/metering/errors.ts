import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";

export class MeteringError extends CodedError<
  | { code: "METERING_VOUCHERED_FELL"; held: bigint; next: bigint }
  | { code: "METERING_FORFEIT_TOO_LARGE"; booked: bigint; forfeited: bigint }
  | { code: "METERING_SAMPLING_RATE_INVALID"; rate: number }
  | { code: "METERING_UNIT_NOT_SOLD"; unit: string }
  | { code: "METERING_LEAVES_WRONG"; field: "outputRoot" | "sizeBytes" | "pixels" | "rung" | "frames" }
  | { code: "VOUCHER_CHANNEL_WRONG"; payer: Address; payee: Address }
  | { code: "VOUCHER_CHAIN_UNKNOWN"; seq: bigint }
  | { code: "VOUCHER_ROOT_WRONG"; seq: bigint }
> {}
