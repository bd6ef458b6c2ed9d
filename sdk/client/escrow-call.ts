import { paymentEscrowAbi } from "../protocol/abi/payment-escrow.ts";
import type { Address } from "../protocol/hex.ts";
import type { LeatClient } from "./create-client.ts";
import { explainRefusal } from "./refusals.ts";
import { type Done, write } from "./transaction.ts";

type EscrowWrite =
  | "deposit"
  | "depositWithPermit"
  | "depositWithAuthorization"
  | "reserve"
  | "reserveWithAuthorization"
  | "thaw"
  | "cancelThaw"
  | "release"
  | "withdraw"
  | "allotSigner"
  | "revokeSigner";

/**
 * One transaction to the escrow.
 * @param token Whose amounts it would speak of in a refusal.
 * @throws CLIENT_REVERTED, or a code of its own where the escrow said more
 */
export async function callEscrow<N extends EscrowWrite>(
  client: LeatClient,
  token: Address,
  functionName: N,
  args: Parameters<typeof write<typeof paymentEscrowAbi, N>>[1]["args"],
): Promise<Done> {
  const call = { address: client.deployment.escrow, abi: paymentEscrowAbi, functionName, args };
  try {
    const { transaction, blockNumber } = await write(client, call);
    return { transaction, blockNumber };
  } catch (error) {
    throw await explainRefusal(client, token, error);
  }
}
