/** A token as this network names it; its decimals are not known where the chain did not say them. */
export interface NamedToken {
  readonly name: string;
  readonly token: string;
  readonly decimals: number | undefined;
}

export interface TokenFacts extends NamedToken {
  readonly decimals: number;
}

export function findToken<T extends NamedToken>(tokens: readonly T[], token: string): T | undefined {
  return tokens.find((one) => one.token.toLowerCase() === token.toLowerCase());
}

/** The token at this address; one of which not all is known is counted in its base units. */
export function tokenOf(tokens: readonly NamedToken[], token: string): TokenFacts {
  const { name = token, decimals } = findToken(tokens, token) ?? {};
  return decimals === undefined ? { name: `base units of ${name}`, token, decimals: 0 } : { name, token, decimals };
}

export function shorten(address: string): string {
  return `${address.slice(0, 6)}…${address.slice(-4)}`;
}
