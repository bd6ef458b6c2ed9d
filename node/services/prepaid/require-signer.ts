import { StatementError } from "@leat/sdk/protocol/eip712.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { PrepaidError } from "./errors.ts";

/** Throws unless `recover` finds `wanted`. @throws X402_SIGNATURE_INVALID, X402_SIGNER_WRONG */
export function requireSigner(wanted: Address, recover: () => Address): void {
  let found: Address;
  try {
    found = recover();
  } catch (cause) {
    if (!(cause instanceof StatementError)) throw cause;
    throw new PrepaidError({ code: "X402_SIGNATURE_INVALID", reason: cause.code }, { cause });
  }
  if (found !== wanted) throw new PrepaidError({ code: "X402_SIGNER_WRONG", wanted, found });
}
