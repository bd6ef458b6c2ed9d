import type { FastifyInstance } from "fastify";
import { answerRefusals, type Meanings } from "../http-refusals.ts";
import { WebrtcError, webrtcMeanings } from "./errors.ts";
import { MAX_SDP_BYTES } from "./limits.ts";
import type { Sessions } from "./sessions.ts";
import { parseFragment } from "./trickle.ts";

export const OFFER_TYPE = "application/sdp";
export const FRAGMENT_TYPE = "application/trickle-ice-sdpfrag";
/** Headers that a page of another origin may send and read. */
const SENT = "Content-Type, Authorization, If-Match";
const READ = "Location, Link, ETag, Accept-Post, Accept-Patch";

/** What WHIP and WHEP share on `app`, which is theirs alone: bodies, headers for pages of other origins, errors. */
export function prepareSignalling(app: FastifyInstance, meanings: Meanings): void {
  app.addContentTypeParser(
    [OFFER_TYPE, FRAGMENT_TYPE],
    { parseAs: "string", bodyLimit: MAX_SDP_BYTES },
    (_, body, done) => done(null, body),
  );
  app.addHook("onRequest", async (_request, reply) => {
    reply.header("access-control-allow-origin", "*").header("access-control-expose-headers", READ);
    reply.header("cache-control", "no-store");
  });
  answerRefusals(
    app,
    { ...(webrtcMeanings as Meanings), ...meanings },
    { FST_ERR_CTP_BODY_TOO_LARGE: "WEBRTC_SDP_TOO_LARGE", FST_ERR_CTP_INVALID_MEDIA_TYPE: "WEBRTC_TYPE_UNSUPPORTED" },
  );
}

/** `PATCH` with candidates, and `DELETE`, of a session at `url`, which has an `:id`. */
export function addSessionRoutes(app: FastifyInstance, url: string, sessions: Sessions): void {
  app.patch<{ Params: { id: string } }>(url, async (request, reply) => {
    const session = sessions.match(request.params.id, request.headers["if-match"]);
    const { ice, candidates } = parseFragment(readBody(request.body, request.headers["content-type"], FRAGMENT_TYPE));
    if (ice !== undefined && ice.ufrag !== session.clientUfrag) {
      session.refuseRestart?.();
      throw new WebrtcError({ code: "WEBRTC_ICE_RESTART_UNSUPPORTED" });
    }
    session.addCandidates(candidates);
    return reply.code(204).send();
  });
  app.delete<{ Params: { id: string } }>(url, async (request, reply) => {
    sessions.find(request.params.id).end();
    return reply.code(200).send();
  });
  addPreflight(app, url, "PATCH, DELETE, OPTIONS", { "accept-patch": FRAGMENT_TYPE });
}

export function addPreflight(app: FastifyInstance, url: string, methods: string, more: Record<string, string>): void {
  app.options(url, (_request, reply) => {
    reply.header("access-control-allow-methods", methods).header("access-control-allow-headers", SENT);
    return reply.header("access-control-max-age", "86400").headers(more).code(204).send();
  });
}

/** The body, where it is of the wanted type. */
export function readBody(body: unknown, type: string | undefined, wanted: string): string {
  if (typeof body !== "string" || type?.split(";")[0]?.trim().toLowerCase() !== wanted) {
    throw new WebrtcError({ code: "WEBRTC_TYPE_UNSUPPORTED", wanted });
  }
  return body;
}
