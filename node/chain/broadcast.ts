import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { BaseError, type PublicClient } from "viem";
import { causesOf, EndpointFailure, reasonOf } from "./errors.ts";

/**
 * What came of handing bytes to an endpoint. None of it says whether they will be in a block: only the chain does.
 * `unknown`: no answer, or one that tells nothing.
 */
export type BroadcastResult = "taken" | "known" | "nonce used" | "underpriced" | "funds short" | "refused" | "unknown";

const ANSWERS: readonly (readonly [RegExp, BroadcastResult])[] = [
  [/already (known|imported|exists)|known transaction|already in (the )?(mem)?pool/i, "known"],
  [/nonce (is )?too low|nonce .*(already|lower)|invalid nonce/i, "nonce used"],
  [/underpriced|fee too low|less than block base fee|fee cap .*(less|below)|max fee per gas less/i, "underpriced"],
  [/insufficient (funds|balance)|lack of funds/i, "funds short"],
];

export async function broadcast(
  client: PublicClient,
  raw: Hex,
): Promise<{ readonly result: BroadcastResult; readonly reason?: string }> {
  try {
    await client.sendRawTransaction({ serializedTransaction: raw });
    return { result: "taken" };
  } catch (error) {
    const text = [...causesOf(error)]
      .map((cause) => (cause instanceof BaseError ? `${cause.shortMessage} ${cause.details}` : String(cause)))
      .join(" ");
    const reason = reasonOf(error);
    const known = ANSWERS.find(([pattern]) => pattern.test(text));
    if (known !== undefined) return { result: known[1], reason };
    const hasFailed = [...causesOf(error)].some((cause) => cause instanceof EndpointFailure);
    return { result: hasFailed ? "unknown" : "refused", reason };
  }
}
