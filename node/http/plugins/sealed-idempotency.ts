import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { IdempotencyState, IdempotencyStore, StoredAnswer } from "./idempotency.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Keeps answers so that only this node can read them: an answer may hold what is shown once, such as a stream key, and
 * a copy of the database must not give it away. AES-256-GCM under a key drawn from the node's own, bound to the call.
 */
export class SealedIdempotencyStore implements IdempotencyStore {
  readonly #store: IdempotencyStore;
  readonly #key: Uint8Array;

  /** @param secret The node's secret key; nothing of it can be found from what is stored. */
  constructor(store: IdempotencyStore, secret: Uint8Array) {
    this.#store = store;
    this.#key = new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(), "leat.idempotency.1", 32));
  }

  async begin(key: string, fingerprint: string): Promise<IdempotencyState> {
    const found = await this.#store.begin(key, fingerprint);
    if (found.state !== "done") return found;
    const body = this.#open(key, found.answer.body);
    if (body !== undefined) return { ...found, answer: { ...found.answer, body } };
    // Written under another node key: nobody can give that answer again, so the call counts as new.
    await this.#store.release(key);
    return this.#store.begin(key, fingerprint);
  }

  finish(key: string, answer: StoredAnswer): Promise<void> {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(Buffer.from(key));
    const sealed = Buffer.concat([cipher.update(answer.body, "utf8"), cipher.final()]);
    const body = Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    return this.#store.finish(key, { ...answer, body });
  }

  release(key: string): Promise<void> {
    return this.#store.release(key);
  }

  #open(key: string, body: string): string | undefined {
    const bytes = Buffer.from(body, "base64url");
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const [nonce, rest] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES)];
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#key, nonce).setAAD(Buffer.from(key));
      decipher.setAuthTag(rest.subarray(0, TAG_BYTES));
      return Buffer.concat([decipher.update(rest.subarray(TAG_BYTES)), decipher.final()]).toString("utf8");
    } catch {
      return undefined;
    }
  }
}
