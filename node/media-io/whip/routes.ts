import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Meanings, publishMeanings } from "../http-refusals.ts";
import { MAX_STREAM_KEY } from "../webrtc/limits.ts";
import { addPreflight, addSessionRoutes, OFFER_TYPE, prepareSignalling, readBody } from "../webrtc/session-routes.ts";
import { WhipError, whipMeanings } from "./errors.ts";
import type { WhipService } from "./whip-service.ts";

/**
 * `POST /whip/<key>`, or `POST /whip` with `Authorization: Bearer <key>`; the session is at `/whip/sessions/<id>`.
 * The key is in no log: routes are noted by their pattern.
 */
export async function whipRoutes(app: FastifyInstance, { service }: { readonly service: WhipService }): Promise<void> {
  prepareSignalling(app, { ...publishMeanings, ...(whipMeanings as Meanings) });
  for (const url of ["/whip", "/whip/:key"]) {
    app.post(url, async (request, reply) => publish(service, request, reply));
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

async function publish(service: WhipService, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { key: inPath } = request.params as { key?: string };
  const key = inPath ?? /^Bearer ([!-~]+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  if (key === "" || key.length > MAX_STREAM_KEY) throw new WhipError({ code: "WHIP_KEY_MISSING" });
  const offer = readBody(request.body, request.headers["content-type"], OFFER_TYPE);
  const gone = new AbortController();
  // Of the answer, since a request is closed as soon as its body was read.
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  const { id, etag, sdp, links } = await service.publish(key, offer, request.ip, gone.signal);
  reply
    .header("location", `/whip/sessions/${id}`)
    .header("etag", etag)
    .header("accept-patch", "application/trickle-ice-sdpfrag");
  if (links.length > 0) reply.header("link", [...links]);
  return reply.code(201).type(OFFER_TYPE).send(sdp);
}
