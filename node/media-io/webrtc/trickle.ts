import { WebrtcError } from "./errors.ts";
import { MAX_CANDIDATES } from "./limits.ts";
import { type IceCredentials, readCandidate, readIce, readLines } from "./sdp-offer.ts";

/** Candidates that a client sends after its offer (RFC 8840). */
export interface Fragment {
  /** Of the client. A session keeps those of its offer: others ask for a restart. */
  readonly ice: IceCredentials | undefined;
  readonly candidates: readonly string[];
}

/** @throws WEBRTC_SDP_TOO_LARGE, WEBRTC_SDP_INVALID, WEBRTC_CANDIDATES_EXCEEDED */
export function parseFragment(text: string): Fragment {
  const lines = readLines(text);
  const valuesOf = (name: string) =>
    lines.flatMap((line) => (line.startsWith(`a=${name}:`) ? [line.slice(name.length + 3)] : []));
  const [ufrag, pwd] = [valuesOf("ice-ufrag")[0], valuesOf("ice-pwd")[0]];
  const candidates = valuesOf("candidate").flatMap(readCandidate);
  if (candidates.length > MAX_CANDIDATES) {
    throw new WebrtcError({ code: "WEBRTC_CANDIDATES_EXCEEDED", limit: MAX_CANDIDATES });
  }
  return { ice: ufrag === undefined && pwd === undefined ? undefined : readIce(ufrag, pwd), candidates };
}
