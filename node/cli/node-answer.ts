/** What a running node says of its channels (`GET /v1/payments`), amounts as text. */
export interface NodeChannel {
  readonly channelId: string;
  readonly payer: string;
  readonly payee: string;
  readonly token: string;
  /** Base units. */
  readonly vouchered: string;
  readonly collected: string;
  /** 10^-30 of a whole token. */
  readonly unpaidExact: string;
  readonly canLoseExact: string;
  /** Base units, confirmed and not thawing. */
  readonly reserve: string;
  readonly runwaySeconds: string | null;
}

/** All channels of one side in one token. */
export interface NodeTotals extends Omit<NodeChannel, "channelId" | "payer" | "payee"> {
  readonly side: "payer" | "payee";
  readonly pool: string;
}

export interface NodePayments {
  readonly channels: readonly NodeChannel[];
  readonly totals: readonly NodeTotals[];
}

/** What came of asking a node: what it said, or in words why it said nothing. */
export interface NodeAnswer {
  readonly url: string;
  readonly payments: NodePayments | undefined;
  readonly silence: string | undefined;
}

/** A node on the same machine answers at once or not at all. */
const NODE_TIMEOUT_MS = 3_000;

/** What the node of these settings is owed or owes. It may well be down: then the chain still has much to say. */
export async function askPayments(
  { node, http }: { readonly node: { httpUrl: string }; readonly http: { host: string; port: number } },
  timeoutMs = NODE_TIMEOUT_MS,
): Promise<NodeAnswer> {
  const url = node.httpUrl || `http://${http.host.includes(":") ? `[${http.host}]` : http.host}:${http.port}`;
  const silent = (silence: string): NodeAnswer => ({ url, payments: undefined, silence });
  try {
    const response = await fetch(`${url}/v1/payments`, { signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) return silent(`answers ${response.status}`);
    const payments = (await response.json()) as Partial<NodePayments> | null;
    if (!Array.isArray(payments?.channels) || !Array.isArray(payments.totals)) return silent("answers as no node does");
    return { url, payments: payments as NodePayments, silence: undefined };
  } catch (error) {
    return silent(describe(error, timeoutMs));
  }
}

function describe(error: unknown, timeoutMs: number): string {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `did not answer within ${timeoutMs / 1_000} s`;
  }
  if (error instanceof SyntaxError) return "answers as no node does";
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return cause?.code === "ECONNREFUSED"
    ? "does not run (nobody listens there)"
    : `cannot be reached (${cause?.code ?? cause?.message})`;
}

/** As JSON tells of it. */
export function presentAnswer({ url, silence }: NodeAnswer) {
  return { url, answered: silence === undefined, reason: silence ?? null };
}
