import type { Peer } from "./endpoint.ts";
import { WebrtcError } from "./errors.ts";
import { MAX_CANDIDATES } from "./limits.ts";

/** A session's connection, which comes a little later than the session, and may come when that is over. */
export class PeerSlot {
  #peer: Peer | undefined;
  #candidates = 0;
  #closed = false;

  attach(peer: Peer): void {
    this.#peer = peer;
    if (this.#closed) peer.close();
  }

  /** @throws WEBRTC_CANDIDATES_EXCEEDED */
  addCandidates(candidates: readonly string[]): void {
    this.#candidates += candidates.length;
    if (this.#candidates > MAX_CANDIDATES) {
      throw new WebrtcError({ code: "WEBRTC_CANDIDATES_EXCEEDED", limit: MAX_CANDIDATES });
    }
    for (const candidate of candidates) this.#peer?.addCandidate(candidate);
  }

  send(packet: Uint8Array): boolean {
    return this.#peer?.send(packet) ?? false;
  }

  close(): void {
    this.#closed = true;
    this.#peer?.close();
  }
}
