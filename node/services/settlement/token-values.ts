import type { TokenValue } from "@leat/node/metering/collect-rule.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";
import { parseAmount } from "@leat/sdk/protocol/units.ts";
import type { TokenCost } from "./options.ts";

export class TokenCostError extends CodedError<
  | { code: "TOKEN_COST_TWICE"; token: string }
  | { code: "TOKEN_COST_TOO_FINE"; token: string; decimals: number }
  | { code: "TOKEN_COST_MISSING"; token: string }
  | { code: "TOKEN_COST_TOKEN_SILENT"; token: string }
> {}

export interface TokenValuesSource {
  /** As the settings have them. */
  readonly costs: readonly TokenCost[];
  /** What pays on this network, by name. */
  readonly tokens: Deployment["tokens"];
  /** What else the node sells in. */
  readonly sold?: Iterable<Address>;
  readonly decimalsOf: (token: Address) => Promise<number>;
}

/** Of a token that nobody priced: no amount of it is worth gas. */
const worthless: TokenValue = { perNative: undefined, leastAmount: 2n ** 256n };

/** What gas is worth in each token, as the settings say it. */
export class TokenValues {
  readonly #values: ReadonlyMap<Address, TokenValue>;

  private constructor(values: ReadonlyMap<Address, TokenValue>) {
    this.#values = values;
  }

  /**
   * Everything that may be wrong with the settings shows here, before anything is earned. Who settles must say of every
   * token that pays what gas costs in it: else strangers have it collect amounts that are worth less than their gas.
   * @throws TOKEN_COST_TWICE, TOKEN_COST_MISSING, TOKEN_COST_TOO_FINE for more digits than the token has,
   * TOKEN_COST_TOKEN_SILENT for what does not tell its decimals
   */
  static async read({ costs, tokens, sold = [], decimalsOf }: TokenValuesSource): Promise<TokenValues> {
    const named = new Map<Address, TokenCost>();
    for (const cost of costs) {
      const token = addressOf(cost, tokens);
      if (token === undefined) continue;
      if (named.has(token)) throw new TokenCostError({ code: "TOKEN_COST_TWICE", token: cost.token });
      named.set(token, cost);
    }
    const names = new Map(Object.entries(tokens).map(([name, token]) => [toAddress(token), name]));
    for (const token of [...names.keys(), ...sold]) {
      if (!named.has(token)) throw missing(names.get(token) ?? token);
    }
    const values = new Map<Address, TokenValue>();
    for (const [token, cost] of named) {
      const decimals = await decimalsOf(token).catch((cause) => {
        const message = `${cost.token} of settlement.tokenCosts does not tell its decimals: is it a token of this network?`;
        throw new TokenCostError({ code: "TOKEN_COST_TOKEN_SILENT", token: cost.token }, { cause, message });
      });
      values.set(token, readValue(cost, decimals));
    }
    return new TokenValues(values);
  }

  of(token: Address): TokenValue {
    return this.#values.get(token) ?? worthless;
  }
}

function missing(token: string): TokenCostError {
  const entry = `{ "token": "${token}", "perNative": "3000", "leastAmount": "0.05" }`;
  const message =
    `the settings do not say what gas costs in ${token}; add ${entry} with your numbers to settlement.tokenCosts: ` +
    `how many ${token} one whole native token of the chain is worth ("0" to go by the least amount alone), and the ` +
    "amount below which nothing is collected";
  return new TokenCostError({ code: "TOKEN_COST_MISSING", token }, { message });
}

function readValue(cost: TokenCost, decimals: number): TokenValue {
  try {
    const perNative = parseAmount(cost.perNative, decimals);
    const leastAmount = parseAmount(cost.leastAmount, decimals);
    return { perNative: perNative === 0n ? undefined : perNative, leastAmount };
  } catch (cause) {
    const { token, perNative, leastAmount } = cost;
    const message = `settlement.tokenCosts has ${perNative} and ${leastAmount} for ${token}, which has ${decimals} decimals; write no more digits`;
    throw new TokenCostError({ code: "TOKEN_COST_TOO_FINE", token, decimals }, { cause, message });
  }
}

/** Undefined for LPT on a network that has none: the same settings serve it. */
function addressOf({ token: name }: TokenCost, tokens: Deployment["tokens"]): Address | undefined {
  const address = name === "LPT" || name === "USDC" ? tokens[name] : name;
  return address === undefined ? undefined : toAddress(address);
}
