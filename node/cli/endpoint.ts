import { CodedError } from "@leat/sdk/base/errors.ts";

export class EndpointError extends CodedError<
  | { code: "CLI_ENDPOINT_INVALID"; endpoint: string; wanted: string }
  | { code: "CLI_TERMS_INVALID"; terms: string; wanted: string }
> {}

/** What the registries store (`MAXIMUM_ENDPOINT_BYTES`, `MAXIMUM_TERMS_BYTES`). */
const MAX_ENDPOINT_BYTES = 256;
const MAX_TERMS_BYTES = 512;

/** Where a node's offer is to be had, before it is on chain for everybody to read. */
export function readEndpoint(endpoint: string): string {
  const wanted = findFault(endpoint, MAX_ENDPOINT_BYTES);
  if (wanted === undefined) return endpoint;
  throw new EndpointError({ code: "CLI_ENDPOINT_INVALID", endpoint: endpoint.slice(0, 100), wanted });
}

/** Where a cluster's terms are to be read, likewise. */
export function readTerms(terms: string): string {
  const wanted = findFault(terms, MAX_TERMS_BYTES);
  if (wanted === undefined) return terms;
  throw new EndpointError({ code: "CLI_TERMS_INVALID", terms: terms.slice(0, 100), wanted });
}

/** What an address should be and is not; undefined for a good one. */
function findFault(address: string, maxBytes: number): string | undefined {
  const sizeBytes = new TextEncoder().encode(address).byteLength;
  if (sizeBytes > maxBytes) return `one of at most ${maxBytes} bytes, and it has ${sizeBytes}`;
  // A URL is read with blanks and line breaks left out: those who compare text would see another one.
  const url = /[\s\p{Cc}]/u.test(address) ? null : URL.parse(address);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return "an address that begins with http:// or https://";
  }
  if (url.username !== "" || url.password !== "") return "one without a name and password: all can read it";
  return undefined;
}
