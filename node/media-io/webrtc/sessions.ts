import { randomBytes, timingSafeEqual } from "node:crypto";
import { WebrtcError } from "./errors.ts";

/** What is behind a session's address. */
export interface Session {
  addCandidates(candidates: readonly string[]): void;
  readonly clientUfrag: string;
  /** The client was told to post a new offer instead. */
  refuseRestart?(): void;
  /** The client said goodbye. */
  end(): void;
}

export interface OpenSession {
  readonly id: string;
  readonly etag: string;
}

interface Entry {
  readonly session: Session;
  readonly etag: string;
}

/** Sessions by an address that nobody can guess. */
export class Sessions {
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  /** Places that are taken by sessions that are still being made. */
  #making = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes a place; give it back, or fill it with `add`. @throws WEBRTC_SESSIONS_EXCEEDED */
  reserve(): () => void {
    if (this.#entries.size + this.#making >= this.#limit) {
      throw new WebrtcError({ code: "WEBRTC_SESSIONS_EXCEEDED", limit: this.#limit });
    }
    this.#making += 1;
    let isGiven = false;
    return () => {
      if (!isGiven) this.#making -= 1;
      isGiven = true;
    };
  }

  add(session: Session): OpenSession {
    const id = randomBytes(24).toString("base64url");
    const etag = `"${randomBytes(9).toString("base64url")}"`;
    this.#entries.set(id, { session, etag });
    return { id, etag };
  }

  remove(session: Session): void {
    for (const [id, entry] of this.#entries) if (entry.session === session) this.#entries.delete(id);
  }

  /** @throws WEBRTC_SESSION_UNKNOWN */
  find(id: string): Session {
    return this.#entry(id).session;
  }

  /** @throws WEBRTC_SESSION_UNKNOWN, WEBRTC_ETAG_MISSING, WEBRTC_ETAG_WRONG */
  match(id: string, ifMatch: string | undefined): Session {
    const { session, etag } = this.#entry(id);
    if (ifMatch === undefined) throw new WebrtcError({ code: "WEBRTC_ETAG_MISSING" });
    const [given, wanted] = [Buffer.from(ifMatch), Buffer.from(etag)];
    const isSame = given.length === wanted.length && timingSafeEqual(given, wanted);
    // The draft's text has the sign alone, its example has it in quotes.
    const isAny = ifMatch === "*" || ifMatch === '"*"';
    if (!isSame && !isAny) throw new WebrtcError({ code: "WEBRTC_ETAG_WRONG" });
    return session;
  }

  all(): Session[] {
    return [...this.#entries.values()].map(({ session }) => session);
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new WebrtcError({ code: "WEBRTC_SESSION_UNKNOWN" });
    return entry;
  }
}
