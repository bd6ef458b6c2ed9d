import { CodedError } from "../../base/errors.ts";
import { signApiRequest } from "../../protocol/api-request.ts";
import { createDomain } from "../../protocol/eip712.ts";
import { type Address, bytesToHex, type Hex } from "../../protocol/hex.ts";
import type { LadderRequest } from "../../protocol/job.ts";
import type { StatementSigner } from "../../protocol/statements.ts";
import type { LeatClient } from "../create-client.ts";

/** The cluster's API refused, or could not be asked. `reason` is the cluster's own code. */
export class ApiError extends CodedError<
  { code: "API_REFUSED"; reason: string; status: number } | { code: "API_UNREACHABLE"; url: string }
> {}

/** Who asks: every call of a stream's owner is signed by its key. */
export interface ApiCaller {
  readonly client: Pick<LeatClient, "clusterUrl" | "deployment">;
  readonly signer: StatementSigner;
}

export interface StreamRequest {
  readonly ladder: LadderRequest;
  /** What everything is paid in. */
  readonly token: Address;
  /** Most bytes that are paid for viewers that cannot sign; 0 by default. */
  readonly unsignedBudgetBytes?: bigint;
  /** Most that the buyer pays for a unit, exact amounts as decimal text, by unit. */
  readonly priceCeilings?: Readonly<Record<string, string>>;
  readonly region?: string;
}

export interface CreatedStream {
  readonly id: Hex;
  readonly slug: string;
  /** Shown this once. */
  readonly streamKey: string;
  /** The key is in them. A publisher tries the next when one fails. */
  readonly ingestUrls: readonly string[];
  readonly playbackUrl: string;
}

export interface StreamInfo {
  readonly id: Hex;
  readonly slug: string;
  readonly state: string;
}

/** Calls the cluster's API as an account. `T` is what the route answers. @throws ApiError */
export async function callApi<T>(
  { client, signer }: ApiCaller,
  method: "GET" | "POST",
  target: string,
  options: { readonly body?: unknown; readonly idempotencyKey?: string } = {},
): Promise<T> {
  const text = options.body === undefined ? "" : JSON.stringify(options.body, bigintAsText);
  const body = new TextEncoder().encode(text);
  const { chainId, escrow } = client.deployment;
  const nonce = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  const issuedAt = BigInt(Math.floor(Date.now() / 1_000));
  const domain = createDomain(chainId, escrow);
  const authorization = await signApiRequest(signer, domain, { method, target, body }, issuedAt, nonce);
  const url = `${client.clusterUrl}${target}`;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        authorization,
        accept: "application/json",
        ...(text === "" ? {} : { "content-type": "application/json" }),
        ...(options.idempotencyKey === undefined ? {} : { "idempotency-key": options.idempotencyKey }),
      },
      ...(text === "" ? {} : { body: text }),
    });
  } catch (cause) {
    throw new ApiError({ code: "API_UNREACHABLE", url }, { cause, message: `no answer from ${url}` });
  }
  const answer = (await response.json().catch(() => undefined)) as { error?: { code: string; message: string } };
  if (response.ok) return answer as T;
  const reason = answer?.error?.code ?? "UNKNOWN";
  const message = `${reason}: ${answer?.error?.message ?? `the cluster answered ${response.status}`}`;
  throw new ApiError({ code: "API_REFUSED", reason, status: response.status }, { message });
}

/**
 * Creates a stream. Where the answer was lost, the same idempotency key asks again without making a second one.
 * @param idempotencyKey Default: a new one, so that each call makes a stream.
 */
export function createStream(
  caller: ApiCaller,
  request: StreamRequest,
  idempotencyKey: string = crypto.randomUUID(),
): Promise<CreatedStream> {
  // The buyer's part of every seed that places this stream's jobs: the balancer cannot know it beforehand.
  const nonce = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  return callApi(caller, "POST", "/v1/streams", { body: { ...request, nonce }, idempotencyKey });
}

export function listStreams(caller: ApiCaller): Promise<{ readonly streams: readonly StreamInfo[] }> {
  return callApi(caller, "GET", "/v1/streams");
}

export function getStream(caller: ApiCaller, id: string): Promise<StreamInfo> {
  return callApi(caller, "GET", `/v1/streams/${encodeURIComponent(id)}`);
}

/** Ends a stream at once, whoever publishes. */
export function endStream(caller: ApiCaller, id: string): Promise<StreamInfo> {
  return callApi(caller, "POST", `/v1/streams/${encodeURIComponent(id)}/end`, { body: {} });
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
