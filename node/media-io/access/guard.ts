import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { findToken, originOf } from "./carried-token.ts";
import { PlaybackError, playbackMeanings } from "./errors.ts";
import { admitNow, type Guarded, type ViewerAccess } from "./viewer-access.ts";

export interface GuardOptions {
  readonly access: ViewerAccess;
  readonly protocolOf: (request: FastifyRequest) => string;
  /** What the request is about; undefined: nothing of anybody's. */
  readonly find: (request: FastifyRequest) => Guarded | undefined;
}

/**
 * Stands before every route of `app`: whoever may not watch gets a code. A playlist that is asked for with `?token=` is
 * answered with the address that carries the token on.
 */
export function addViewerGuard(app: FastifyInstance, { access, protocolOf, find }: GuardOptions): void {
  const guarded = new WeakSet<FastifyRequest>();

  app.addHook("preHandler", async (request, reply) => {
    if (request.method === "OPTIONS") return;
    const about = find(request);
    if (about === undefined || about.policy.type === "public") return;
    guarded.add(request);
    const found = findToken(request);
    try {
      const { ip: address, headers } = request;
      const viewer = { token: found?.token, address, origin: originOf(headers), protocol: protocolOf(request) };
      await admitNow(access, () => find(request), viewer);
    } catch (error) {
      if (!(error instanceof PlaybackError)) throw error;
      return refuse(reply, error);
    }
    const [path = ""] = request.url.split("?");
    if (found === undefined || found.isCarried || !/\.(m3u8|mpd)$/.test(path)) return;
    return reply.redirect(redirectOf(request, found.token), 302);
  });

  // What one viewer may see is kept by its own player and by no cache that answers others.
  app.addHook("onSend", (request, reply, payload, done) => {
    if (guarded.has(request)) keepPrivate(reply);
    done(null, payload);
  });
}

function keepPrivate(reply: FastifyReply): void {
  const kept = String(reply.getHeader("cache-control") ?? "no-store");
  if (reply.statusCode === 302) reply.header("cache-control", "no-store");
  else if (!kept.includes("no-store") && !kept.startsWith("private")) {
    reply.header("cache-control", `private, ${kept.replace(/^public, /, "")}`);
  }
}

function refuse(reply: FastifyReply, { code }: PlaybackError): FastifyReply {
  const [status, message] = playbackMeanings[code];
  reply.header("cache-control", "no-store");
  if (status === 401) reply.header("www-authenticate", "Bearer");
  if (status === 503) reply.header("retry-after", "2");
  const body = JSON.stringify({ error: { code, message } });
  return reply.code(status).type("application/json; charset=utf-8").serializer(String).send(body);
}

/** Relative, so that whatever stands before this server keeps its own name and path: `~TOKEN/master.m3u8?more`. */
function redirectOf(request: FastifyRequest, token: string): string {
  const [path = "", query = ""] = request.url.split("?");
  const left = new URLSearchParams(query);
  left.delete("token");
  // `/live/SLUG/` and then what follows.
  const rest = path.split("/").slice(3);
  const up = "../".repeat(rest.length - 1);
  return `${up}~${token}/${rest.join("/")}${left.size > 0 ? `?${left}` : ""}`;
}
