import { CodedError } from "@leat/sdk/base/errors.ts";

export class EndpointError extends CodedError<{ code: "CLI_ENDPOINT_INVALID"; endpoint: string; wanted: string }> {}

/** What the registry stores (`MAXIMUM_ENDPOINT_BYTES`). */
const MAX_BYTES = 256;

/** Where a node's offer is to be had, before it is on chain for everybody to read. */
export function readEndpoint(endpoint: string): string {
  const sizeBytes = new TextEncoder().encode(endpoint).byteLength;
  if (sizeBytes > MAX_BYTES) throw refuse(endpoint, `one of at most ${MAX_BYTES} bytes, and it has ${sizeBytes}`);
  // A URL is read with blanks and line breaks left out: those who compare text would see another one.
  const url = /[\s\p{Cc}]/u.test(endpoint) ? null : URL.parse(endpoint);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw refuse(endpoint, "an address that begins with http:// or https://");
  }
  if (url.username !== "" || url.password !== "")
    throw refuse(endpoint, "one without a name and password: all can read it");
  return endpoint;
}

function refuse(endpoint: string, wanted: string): EndpointError {
  return new EndpointError({ code: "CLI_ENDPOINT_INVALID", endpoint: endpoint.slice(0, 100), wanted });
}
