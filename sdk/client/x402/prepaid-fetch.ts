import { Value } from "typebox/value";
import { PREPAID_EXTENSION, prepaidInfoSchema } from "../../protocol/x402.ts";

/**
 * A `fetch` that spends balances before it lets anybody pay: it notes the token of every settlement and sends it to the
 * same origin from then on. Give it to the public wrapper: `wrapFetchWithPayment(createPrepaidFetch(fetch), client)`
 * pays only when a balance is over. Tokens are money: they live in memory alone.
 */
export function createPrepaidFetch(base: typeof fetch): typeof fetch {
  const tokens = new Map<string, string>();
  return async (input, init) => {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    const token = tokens.get(origin);
    const mayAdd = token !== undefined && !request.headers.has("authorization");
    if (mayAdd) request.headers.set("authorization", `Bearer ${token}`);
    const answer = await base(request);
    const found = readToken(answer.headers.get("payment-response"));
    if (found !== undefined) tokens.set(origin, found);
    return answer;
  };
}

/** The token in a PAYMENT-RESPONSE header, if there is one. */
export function readToken(header: string | null): string | undefined {
  if (header === null) return undefined;
  try {
    const settled = JSON.parse(atob(header)) as { extensions?: Record<string, { info?: unknown }> };
    const info = settled.extensions?.[PREPAID_EXTENSION]?.info;
    return Value.Check(prepaidInfoSchema, info) ? info.token : undefined;
  } catch {
    return undefined;
  }
}
