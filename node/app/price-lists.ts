import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";
import { type Prices, priceUnits } from "@leat/sdk/protocol/job.ts";
import { parsePrice } from "@leat/sdk/protocol/units.ts";
import type { PriceList } from "../config/node-options.ts";

export class PriceListError extends CodedError<
  { code: "PRICE_LIST_TWICE"; token: string } | { code: "PRICE_LIST_TOKEN_UNKNOWN"; token: string }
> {}

/** Price lists by token address, in exact amounts. @throws PRICE_LIST_TWICE, PRICE_LIST_TOKEN_UNKNOWN */
export function readPriceLists(
  lists: readonly PriceList[],
  tokens: Deployment["tokens"],
): ReadonlyMap<Address, Prices> {
  const read = new Map<Address, Prices>();
  for (const list of lists) {
    const token = tokenOf(list.token, tokens);
    if (read.has(token)) throw new PriceListError({ code: "PRICE_LIST_TWICE", token: list.token });
    const units = priceUnits.flatMap((unit) => {
      const text = list[unit];
      return text === undefined ? [] : [[unit, parsePrice(text)] as const];
    });
    read.set(token, Object.fromEntries(units));
  }
  return read;
}

function tokenOf(name: string, tokens: Deployment["tokens"]): Address {
  const address = name === "LPT" || name === "USDC" ? tokens[name] : name;
  if (address === undefined) throw new PriceListError({ code: "PRICE_LIST_TOKEN_UNKNOWN", token: name });
  return toAddress(address);
}
