import { createHash } from "node:crypto";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { declareErrors } from "../errors.ts";

export class IdempotencyError extends CodedError<
  | { code: "IDEMPOTENCY_KEY_REUSED" }
  | { code: "IDEMPOTENCY_IN_PROGRESS" }
  | { code: "IDEMPOTENCY_KEY_MISSING" }
  | { code: "IDEMPOTENCY_KEY_INVALID" }
> {}

export interface StoredAnswer {
  readonly status: number;
  readonly contentType: string;
  /** May hold what is shown only once, such as a stream key: a store keeps it no longer than its retention. */
  readonly body: string;
}

export type IdempotencyState =
  | { readonly state: "new" }
  | { readonly state: "running"; readonly fingerprint: string }
  | { readonly state: "done"; readonly fingerprint: string; readonly answer: StoredAnswer };

/** Remembers creating calls. `begin` must be atomic: of two equal keys at once, one is new. */
export interface IdempotencyStore {
  /** Notes the key as running, unless it is known. */
  begin(key: string, fingerprint: string): Promise<IdempotencyState>;
  finish(key: string, answer: StoredAnswer): Promise<void>;
  /** Forgets a call that created nothing, so that it may be tried again. */
  release(key: string): Promise<void>;
}

declare module "fastify" {
  interface FastifyRequest {
    idempotencyKey: string | undefined;
  }
}

const HEADER = "idempotency-key";

/**
 * Makes the POST routes of `group` safe to repeat: the same `Idempotency-Key` with the same request gives the stored
 * answer. Only success is stored. Put it after auth: keys of different accounts do not meet.
 */
export function addIdempotency(
  group: FastifyInstance,
  options: { readonly store: IdempotencyStore; readonly required?: boolean },
): void {
  declareErrors(group, {
    IDEMPOTENCY_KEY_REUSED: 409,
    IDEMPOTENCY_IN_PROGRESS: 409,
    IDEMPOTENCY_KEY_MISSING: 400,
    IDEMPOTENCY_KEY_INVALID: 400,
  });
  const { store } = options;
  group.decorateRequest("idempotencyKey", undefined);

  group.addHook("preHandler", async (request, reply) => {
    if (request.method !== "POST") return;
    const given = request.headers[HEADER];
    if (given === undefined) {
      if (options.required !== true) return;
      throw new IdempotencyError({ code: "IDEMPOTENCY_KEY_MISSING" }, { message: "send an Idempotency-Key header" });
    }
    if (typeof given !== "string" || !/^[\x21-\x7e]{1,128}$/.test(given)) {
      throw new IdempotencyError(
        { code: "IDEMPOTENCY_KEY_INVALID" },
        { message: "an Idempotency-Key has 1 to 128 printable ASCII characters" },
      );
    }
    const fingerprint = hash(request.method, request.url, request.rawBody);
    const key = hash(callerOf(request), given, new Uint8Array());
    const found = await store.begin(key, fingerprint);
    if (found.state === "new") {
      request.idempotencyKey = key;
      return;
    }
    if (found.fingerprint !== fingerprint) {
      throw new IdempotencyError(
        { code: "IDEMPOTENCY_KEY_REUSED" },
        { message: "this Idempotency-Key was used for another request" },
      );
    }
    if (found.state === "running") {
      throw new IdempotencyError(
        { code: "IDEMPOTENCY_IN_PROGRESS" },
        { message: "the first call with this Idempotency-Key still runs; ask again" },
      );
    }
    return replay(reply, found.answer);
  });

  // Before the answer leaves: a caller that got it can rely on its being remembered.
  group.addHook("onSend", async (request, reply, payload) => {
    const key = request.idempotencyKey;
    if (key === undefined) return payload;
    request.idempotencyKey = undefined;
    if (reply.statusCode >= 300 || typeof payload !== "string") await store.release(key);
    else {
      const contentType = String(reply.getHeader("content-type") ?? "application/json");
      await store.finish(key, { status: reply.statusCode, contentType, body: payload });
    }
    return payload;
  });
}

function replay(reply: FastifyReply, { status, contentType, body }: StoredAnswer): FastifyReply {
  return reply.code(status).type(contentType).header("idempotency-replayed", "true").serializer(String).send(body);
}

function callerOf(request: FastifyRequest): string {
  return request.account ?? "";
}

function hash(first: string, second: string, bytes: Uint8Array): string {
  return createHash("sha256")
    .update(JSON.stringify([first, second]))
    .update(bytes)
    .digest("hex");
}

/** For tests and for servers that create nothing durable. Bounded: the oldest key is forgotten first. */
export class MemoryIdempotencyStore implements IdempotencyStore {
  readonly #entries = new Map<string, { fingerprint: string; answer?: StoredAnswer }>();
  readonly #maxEntries: number;

  constructor(maxEntries = 10_000) {
    this.#maxEntries = maxEntries;
  }

  async begin(key: string, fingerprint: string): Promise<IdempotencyState> {
    const entry = this.#entries.get(key);
    if (entry?.answer !== undefined) return { state: "done", fingerprint: entry.fingerprint, answer: entry.answer };
    if (entry !== undefined) return { state: "running", fingerprint: entry.fingerprint };
    this.#entries.set(key, { fingerprint });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries) break;
      this.#entries.delete(oldest);
    }
    return { state: "new" };
  }

  async finish(key: string, answer: StoredAnswer): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.answer = answer;
  }

  async release(key: string): Promise<void> {
    this.#entries.delete(key);
  }
}
