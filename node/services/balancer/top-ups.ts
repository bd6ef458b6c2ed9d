import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";
import type { DecodedLog } from "../../chain/event-reader.ts";

/** What raises that which a buyer's vouchers are worth: more in reserve, none of it thawing, a larger or later allotment. */
const raising: readonly string[] = ["Reserved", "ReserveThawCanceled", "SignerAllotted"];

/** The buyer whose promise to the cluster may be larger by this event; undefined for any other event. */
export function buyerToppedUp(
  { eventName, args }: Pick<DecodedLog, "eventName" | "args">,
  clusterAccount: Address,
): Address | undefined {
  const { payer, payee } = args as { readonly payer: string; readonly payee: string };
  if (!raising.includes(eventName) || toAddress(payee) !== clusterAccount) return undefined;
  return toAddress(payer);
}
