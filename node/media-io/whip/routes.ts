import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Meanings, publishMeanings } from "../http-refusals.ts";
import { MAX_STREAM_KEY } from "../webrtc/limits.ts";
import { addPreflight, addSessionRoutes, OFFER_TYPE, prepareSignalling, readBody } from "../webrtc/session-routes.ts";
import { WhipError, whipMeanings } from "./errors.ts";
import type { WhipPublisher, WhipService } from "./whip-service.ts";

export interface WhipRoutesParts {
  readonly service: WhipService;
  /** Where publishers reach this node: who was sent here knows another address. */
  readonly baseUrl: () => string;
}

const word = /^[A-Za-z0-9_-]{8,256}$/;

interface WhipParams {
  readonly key?: string;
  readonly slug?: string;
  readonly ticket?: string;
}

/**
 * `POST /whip/<key>`, or `POST /whip` with `Authorization: Bearer <key>`; the session is at `/whip/sessions/<id>`.
 * Who was sent by a front door posts to `/whip/tickets/<stream>/<ticket>`. Neither key nor ticket is in any log: routes
 * are noted by their pattern.
 */
export async function whipRoutes(app: FastifyInstance, parts: WhipRoutesParts): Promise<void> {
  const { service } = parts;
  prepareSignalling(app, { ...publishMeanings, ...(whipMeanings as Meanings) });
  for (const url of ["/whip", "/whip/:key", "/whip/tickets/:slug/:ticket"]) {
    app.post(url, async (request, reply) => publish(parts, request, reply));
    addPreflight(app, url, "POST, OPTIONS", { "accept-post": OFFER_TYPE });
    // A preflight of a page tells it servers as well, before it makes its offer.
    app.addHook("onSend", async (request, reply) => {
      if (request.method !== "OPTIONS" || request.routeOptions.url !== url) return;
      const links = service.openLinks();
      if (links.length > 0) reply.header("link", links);
    });
  }
  addSessionRoutes(app, "/whip/sessions/:id", service.sessions);
}

async function publish(parts: WhipRoutesParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { service, baseUrl } = parts;
  const who = readPublisher(request);
  const offer = readBody(request.body, request.headers["content-type"], OFFER_TYPE);
  const gone = new AbortController();
  // Of the answer, since a request is closed as soon as its body was read.
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  const { id, etag, sdp, links } = await service.publish(who, offer, request.ip, gone.signal);
  reply
    .header("location", `${"ticket" in who ? baseUrl() : ""}/whip/sessions/${id}`)
    .header("etag", etag)
    .header("accept-patch", "application/trickle-ice-sdpfrag");
  if (links.length > 0) reply.header("link", [...links]);
  return reply.code(201).type(OFFER_TYPE).send(sdp);
}

function readPublisher(request: FastifyRequest): WhipPublisher {
  const { key: inPath, slug, ticket } = request.params as WhipParams;
  if (slug !== undefined && ticket !== undefined) {
    // Anything else was never sent by a front door, and does not fit into a message to a balancer.
    if (!word.test(slug) || !word.test(ticket)) throw new WhipError({ code: "WHIP_TICKET_INVALID" });
    return { slug, ticket };
  }
  const key = inPath ?? /^Bearer ([!-~]+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  if (key === "" || key.length > MAX_STREAM_KEY) throw new WhipError({ code: "WHIP_KEY_MISSING" });
  return { key };
}
