import { CodedError } from "@leat/sdk/base/errors.ts";
import { hashRequest, parseApiRequest } from "@leat/sdk/protocol/api-request.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { apiRequestStructure } from "@leat/sdk/protocol/signed.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../kernel/clock.ts";
import type { Delegates } from "../services/payment/delegates.ts";
import { declareErrors } from "./errors.ts";
import { ReplayGuard } from "./replay-guard.ts";

export class AuthError extends CodedError<
  | { code: "AUTH_MISSING" }
  | { code: "AUTH_EXPIRED"; differenceSeconds: number }
  | { code: "AUTH_REQUEST_MISMATCH" }
  | { code: "AUTH_CLUSTER_WRONG"; wanted: bigint; found: bigint }
  | { code: "AUTH_REPLAYED" }
  | { code: "AUTH_BUSY" }
  | { code: "AUTH_SIGNATURE_INVALID" }
  | { code: "AUTH_SIGNATURE_WRONG" }
  | { code: "AUTH_SIGNER_ENDED"; account: Address; signer: Address }
> {}

declare module "fastify" {
  interface FastifyRequest {
    /** In whose name the request is, in routes behind `requireAccount`: the account signed it, or a key that it allotted. */
    account: Address;
  }
}

export interface AuthComponents {
  readonly domain: Domain;
  /** Whose API this is. */
  readonly cluster: bigint;
  readonly statements: Statements;
  /** Which keys act for an account besides its own. */
  readonly delegates: Delegates;
  readonly clock: Clock;
}

/** How far the caller's clock may be off, and so how long a request's nonce is remembered. */
export const MAX_SKEW_SECONDS = 300;

/**
 * Every route of `group` wants `Authorization: Leat …` (sdk/protocol/api-request.ts): a statement about this very
 * request, signed by an account, good once. Anonymous requests get 401 before their body is looked at further.
 */
export function requireAccount(group: FastifyInstance, components: AuthComponents): void {
  declareErrors(group, {
    API_REQUEST_HEADER_INVALID: 401,
    AUTH_MISSING: 401,
    AUTH_EXPIRED: 401,
    AUTH_REQUEST_MISMATCH: 401,
    AUTH_CLUSTER_WRONG: 401,
    AUTH_REPLAYED: 401,
    AUTH_SIGNATURE_INVALID: 401,
    AUTH_SIGNATURE_WRONG: 401,
    AUTH_SIGNER_ENDED: 401,
    AUTH_BUSY: 503,
  });
  const guard = new ReplayGuard();
  group.decorateRequest("account");

  // After the body was read and before it is checked against a schema.
  group.addHook("preValidation", async (request) => {
    const header = request.headers.authorization;
    if (header === undefined) {
      throw new AuthError({ code: "AUTH_MISSING" }, { message: "sign the request: Authorization: Leat …" });
    }
    const signed = parseApiRequest(header);
    const nowSeconds = Math.floor(components.clock.nowMs() / 1_000);
    const differenceSeconds = Number(signed.value.issuedAt) - nowSeconds;
    if (Math.abs(differenceSeconds) > MAX_SKEW_SECONDS) {
      const direction = differenceSeconds > 0 ? "ahead of" : "behind";
      const message = `the request is dated ${Math.abs(differenceSeconds)} s ${direction} this server's time; set your clock`;
      throw new AuthError({ code: "AUTH_EXPIRED", differenceSeconds }, { message });
    }
    const nonce = `${signed.account}${signed.value.nonce}`;
    if (guard.has(nonce)) {
      throw new AuthError({ code: "AUTH_REPLAYED" }, { message: "this signed request was already used" });
    }
    const parts = { method: request.method, target: request.originalUrl, body: request.rawBody };
    if (hashRequest(parts) !== signed.value.requestHash) {
      const message = "the signature is for another method, path or body";
      throw new AuthError({ code: "AUTH_REQUEST_MISMATCH" }, { message });
    }
    const { cluster: wanted } = components;
    // Or whoever sees a request to one cluster could make it at all others.
    if (signed.value.cluster !== wanted) {
      const message = `the request is signed for cluster ${signed.value.cluster}; this is ${wanted}`;
      throw new AuthError({ code: "AUTH_CLUSTER_WRONG", wanted, found: signed.value.cluster }, { message });
    }
    await verifySigner(components, signed);
    // Remembered only now: a nonce that nobody signed must take no room.
    if (!guard.add(nonce, signed.account, nowSeconds, Number(signed.value.issuedAt) + MAX_SKEW_SECONDS)) {
      throw new AuthError({ code: "AUTH_BUSY" }, { message: "too many signed requests at once; ask again" });
    }
    request.account = signed.account;
  });
}

async function verifySigner(components: AuthComponents, signed: ReturnType<typeof parseApiRequest>): Promise<void> {
  const { statements, domain, delegates } = components;
  const { value, signature, account } = signed;
  let signer: Address;
  try {
    signer = statements.recoverSigner(apiRequestStructure, domain, value, signature);
  } catch (cause) {
    throw new AuthError({ code: "AUTH_SIGNATURE_INVALID" }, { cause, message: "the signature is malformed" });
  }
  const standing = await delegates.standingOf(account, signer);
  if (standing === "stands") return;
  if (standing === "ended") {
    const message = "the account's allotment to this key has ended";
    throw new AuthError({ code: "AUTH_SIGNER_ENDED", account, signer }, { message });
  }
  const message = "neither the account nor a key that it allotted signed this request for this network";
  throw new AuthError({ code: "AUTH_SIGNATURE_WRONG" }, { message });
}
