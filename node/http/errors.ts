import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { explainError } from "../texts/table.ts";

export class HttpError extends CodedError<
  | { code: "HTTP_PORT_BUSY"; host: string; port: number }
  | { code: "HTTP_ADDRESS_UNUSABLE"; host: string; port: number; reason: string }
  | { code: "REQUEST_RATE_LIMITED"; retryAfterSeconds: number }
> {}

/** What a failed request gets: nothing else leaves. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

/** Our codes that may leave, with their status. Plugins add theirs with `declareErrors`; any other code is a bug outside. */
export type StatusTable = Readonly<Record<string, number>>;

declare module "fastify" {
  interface FastifyInstance {
    /** Status by code, shared by the whole server. */
    readonly publicCodes: Map<string, number>;
  }
}

const baseStatuses: StatusTable = {
  REQUEST_RATE_LIMITED: 429,
};

/** What fastify itself refuses, in our words. */
const fastifyCodes: Readonly<Record<string, readonly [status: number, code: string]>> = {
  FST_ERR_VALIDATION: [400, "REQUEST_INVALID"],
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, "REQUEST_INVALID"],
  FST_ERR_CTP_INVALID_JSON_BODY: [400, "REQUEST_INVALID"],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, "REQUEST_INVALID"],
  FST_ERR_CTP_BODY_TOO_LARGE: [413, "REQUEST_TOO_LARGE"],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, "REQUEST_TYPE_UNSUPPORTED"],
};

export function addErrorHandling(app: FastifyInstance, logger: Logger): void {
  app.decorate("publicCodes", new Map(Object.entries(baseStatuses)));
  app.setErrorHandler((error, request, reply) => answerError(app, logger, error, request, reply));
  app.setNotFoundHandler((_request, reply) => send(reply, 404, "ROUTE_UNKNOWN", "nothing is served here"));
}

/** Lets these codes leave the server. A code has one status: two parts that disagree are a bug. */
export function declareErrors(app: FastifyInstance, statuses: StatusTable): void {
  for (const [code, status] of Object.entries(statuses)) {
    const known = app.publicCodes.get(code);
    if (known !== undefined && known !== status) throw new Error(`${code} is declared as ${known} and as ${status}`);
    app.publicCodes.set(code, status);
  }
}

function answerError(
  app: FastifyInstance,
  logger: Logger,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (isCodedError(error)) {
    const status = app.publicCodes.get(error.code);
    if (status !== undefined) return send(reply, status, error.code, explainError(error));
  } else {
    const { code, statusCode, message } = error as Partial<FastifyError>;
    const [status, ours] = fastifyCodes[code ?? ""] ?? [];
    if (status !== undefined && ours !== undefined) return send(reply, status, ours, message ?? ours);
    // A body that is no JSON, a bad URL: fastify marks what the caller did wrong.
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return send(reply, statusCode, "REQUEST_INVALID", "the request cannot be read");
    }
  }
  logger.error("Answer request failed", { requestId: request.id, route: request.routeOptions.url, error });
  return send(reply, 500, "INTERNAL", `this is our fault; its number is ${request.id}`);
}

function send(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  const body: ErrorBody = { error: { code, message } };
  // Serialized here, since a route's schema describes its success.
  return reply.code(status).type("application/json; charset=utf-8").serializer(String).send(JSON.stringify(body));
}
