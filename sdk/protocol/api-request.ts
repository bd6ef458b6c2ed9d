import { CodedError } from "../base/errors.ts";
import { type Domain, valueFromJson, valueToJson } from "./eip712.ts";
import { type Address, bytesToHex, type Hex, isHex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";
import { type ApiRequest, apiRequestStructure } from "./signed.ts";
import type { Signed, StatementSigner } from "./statements.ts";

/** The scheme of the Authorization header: `Authorization: Leat <base64url of JSON>`. */
export const apiRequestScheme = "Leat";

/** A header is a few hundred bytes; a longer one is refused before it is decoded. */
const maximumHeaderLength = 2_048;

export class ApiRequestError extends CodedError<{ code: "API_REQUEST_HEADER_INVALID" }> {}

/** What is signed of an HTTP request: `target` is the path with its query, `body` the exact bytes sent. */
export interface RequestParts {
  readonly method: string;
  readonly target: string;
  readonly body: Uint8Array;
}

/** keccak256 of `METHOD LF target LF keccak256(body)`. */
export function hashRequest(parts: RequestParts): Hex {
  const line = new TextEncoder().encode(`${parts.method.toUpperCase()}\n${parts.target}\n`);
  const message = new Uint8Array(line.length + 32);
  message.set(line, 0);
  message.set(keccak256(parts.body), line.length);
  return bytesToHex(keccak256(message));
}

/** What is signed beside the request. */
export interface RequestFacts {
  /** Whose balancer is asked. By the caller's own settings: a server that names it could pass the request on. */
  readonly cluster: bigint;
  /** Seconds since 1970; servers accept a few minutes of difference. */
  readonly issuedAt: bigint;
  /** 32 random bytes: a server answers each once. */
  readonly nonce: Hex;
  /** In whose name, where the signer is a key that it allotted a channel; default the signer itself. */
  readonly account?: Address | undefined;
}

/** Signs one HTTP request for one account. Answers the value of the Authorization header. */
export async function signApiRequest(
  signer: StatementSigner,
  domain: Domain,
  parts: RequestParts,
  { cluster, issuedAt, nonce, account = signer.address }: RequestFacts,
): Promise<string> {
  const value: ApiRequest = { account, cluster, requestHash: hashRequest(parts), issuedAt, nonce };
  const signature = await signer.sign(apiRequestStructure, domain, value);
  const json = JSON.stringify({ ...valueToJson(apiRequestStructure, value), signature });
  return `${apiRequestScheme} ${toBase64Url(json)}`;
}

/** Reads an Authorization header; says nothing about who signed. @throws API_REQUEST_HEADER_INVALID */
export function parseApiRequest(header: string): Signed<ApiRequest> & { readonly account: Address } {
  try {
    if (header.length > maximumHeaderLength || !header.startsWith(`${apiRequestScheme} `)) throw new Error("scheme");
    const json = JSON.parse(fromBase64Url(header.slice(apiRequestScheme.length + 1))) as Record<string, unknown>;
    const { signature, ...fields } = json;
    if (!isHex(signature)) throw new Error("signature");
    const value = valueFromJson(apiRequestStructure, fields);
    return { value, signature, account: value.account };
  } catch (cause) {
    throw new ApiRequestError({ code: "API_REQUEST_HEADER_INVALID" }, { cause });
  }
}

function toBase64Url(text: string): string {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64Url(text: string): string {
  return atob(text.replaceAll("-", "+").replaceAll("_", "/"));
}
