import type { TokenValue } from "@leat/node/metering/collect-rule.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";
import { parseAmount } from "@leat/sdk/protocol/units.ts";
import type { TokenCost } from "./options.ts";

export class TokenCostError extends CodedError<
  { code: "TOKEN_COST_TWICE"; token: string } | { code: "TOKEN_COST_TOO_FINE"; token: string; decimals: number }
> {}

/** Below this nothing is collected where the settings do not name the token: a claim's gas on a rollup is worth about so much. */
const usualLeast: readonly TokenCost[] = [
  { token: "USDC", perNative: "0", leastAmount: "0.01" },
  { token: "LPT", perNative: "0", leastAmount: "0.001" },
];

/** What gas is worth in each token, as the settings say it. */
export class TokenValues {
  readonly #costs = new Map<Address, TokenCost>();
  readonly #decimalsOf: (token: Address) => Promise<number>;

  /** @throws TOKEN_COST_TWICE */
  constructor(
    costs: readonly TokenCost[],
    tokens: Deployment["tokens"],
    decimalsOf: (token: Address) => Promise<number>,
  ) {
    this.#decimalsOf = decimalsOf;
    for (const cost of costs) {
      const token = addressOf(cost, tokens);
      if (token === undefined) continue;
      if (this.#costs.has(token)) throw new TokenCostError({ code: "TOKEN_COST_TWICE", token: cost.token });
      this.#costs.set(token, cost);
    }
    for (const cost of usualLeast) {
      const token = addressOf(cost, tokens);
      if (token !== undefined && !this.#costs.has(token)) this.#costs.set(token, cost);
    }
  }

  /** @throws TOKEN_COST_TOO_FINE for more digits than the token has */
  async of(token: Address): Promise<TokenValue> {
    const cost = this.#costs.get(token);
    if (cost === undefined) return { perNative: undefined, leastAmount: 0n };
    const decimals = await this.#decimalsOf(token);
    try {
      const perNative = parseAmount(cost.perNative, decimals);
      const leastAmount = parseAmount(cost.leastAmount, decimals);
      return { perNative: perNative === 0n ? undefined : perNative, leastAmount };
    } catch (cause) {
      throw new TokenCostError({ code: "TOKEN_COST_TOO_FINE", token, decimals }, { cause });
    }
  }
}

/** Undefined for LPT on a network that has none: the same settings serve it. */
function addressOf({ token: name }: TokenCost, tokens: Deployment["tokens"]): Address | undefined {
  const address = name === "LPT" || name === "USDC" ? tokens[name] : name;
  return address === undefined ? undefined : toAddress(address);
}
