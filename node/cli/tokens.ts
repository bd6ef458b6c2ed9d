/** A token as this network names it. */
export interface TokenFacts {
  readonly name: string;
  readonly token: string;
  readonly decimals: number;
}

export function findToken<T extends TokenFacts>(tokens: readonly T[], token: string): T | undefined {
  return tokens.find((one) => one.token.toLowerCase() === token.toLowerCase());
}

/** The token at this address; one that the network does not name is counted in its base units. */
export function tokenOf(tokens: readonly TokenFacts[], token: string): TokenFacts {
  return findToken(tokens, token) ?? { name: `base units of ${token}`, token, decimals: 0 };
}

export function shorten(address: string): string {
  return `${address.slice(0, 6)}…${address.slice(-4)}`;
}
