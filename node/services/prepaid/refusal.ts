import type { ChainError } from "@leat/node/chain/errors.ts";
import { PrepaidError } from "./errors.ts";

/** Whether nothing was signed for it, so that nobody but an endpoint of ours has seen what it was to be sent. */
export function isUnsent({ detail }: ChainError): boolean {
  switch (detail.code) {
    case "CHAIN_REVERTED":
      return detail.transaction === undefined;
    case "CHAIN_GAS_MISSING":
    case "CHAIN_GAS_BUDGET":
    case "CHAIN_FEES_HIGH":
    case "CHAIN_UNREACHABLE":
      return true;
    default:
      return false;
  }
}

/** What a payer is told of a transaction that was not sent, or did nothing. Undefined for one that may still come. */
export function refusalOf(cause: ChainError): PrepaidError | undefined {
  const { detail } = cause;
  switch (detail.code) {
    case "CHAIN_REVERTED":
      return new PrepaidError({ code: "X402_SETTLEMENT_REFUSED", reason: detail.reason }, { cause });
    case "CHAIN_GAS_MISSING":
    case "CHAIN_GAS_BUDGET":
    case "CHAIN_FEES_HIGH":
    case "CHAIN_DISPLACED":
      return new PrepaidError({ code: "X402_SETTLEMENT_UNAVAILABLE", reason: detail.code }, { cause });
    case "CHAIN_UNREACHABLE":
      return new PrepaidError({ code: "X402_CHAIN_UNAVAILABLE" }, { cause });
    default:
      return undefined;
  }
}
