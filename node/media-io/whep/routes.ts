import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { findToken, originOf } from "../access/carried-token.ts";
import { addViewerGuard } from "../access/guard.ts";
import { admitNow, type Guarded, type ViewerAccess } from "../access/viewer-access.ts";
import { addPreflight, addSessionRoutes, OFFER_TYPE, prepareSignalling, readBody } from "../webrtc/session-routes.ts";
import { whepMeanings } from "./errors.ts";
import type { WhepService } from "./whep-service.ts";

export interface WhepRoutesOptions {
  readonly service: WhepService;
  readonly access: ViewerAccess;
  readonly find: (slug: string) => Guarded | undefined;
}

const url = "/live/:slug/whep";

/** `POST /live/<slug>/whep`, with `?rung=` for one of its rungs; the session is at `/whep/sessions/<id>`. */
export async function whepRoutes(app: FastifyInstance, { service, access, find }: WhepRoutesOptions): Promise<void> {
  prepareSignalling(app, whepMeanings);
  const guardedBy = ({ params }: FastifyRequest) => {
    const { slug } = params as { slug?: string };
    return slug === undefined ? undefined : find(slug);
  };
  addViewerGuard(app, { access, protocolOf: () => "whep", find: guardedBy });
  app.post<{ Params: { slug: string } }>(url, async (request, reply): Promise<FastifyReply> => {
    const offer = readBody(request.body, request.headers["content-type"], OFFER_TYPE);
    const { rung } = request.query as { rung?: unknown };
    const viewer = { ip: request.ip, headers: { "user-agent": request.headers["user-agent"] } };
    const wanted = typeof rung === "string" ? rung : undefined;
    const carried = { token: findToken(request)?.token, address: request.ip, origin: originOf(request.headers) };
    const mayWatch = () => admitNow(access, () => guardedBy(request), { ...carried, protocol: "whep" });
    const { id, etag, sdp, links } = await service.play(request.params.slug, offer, wanted, { viewer, mayWatch });
    reply.header("location", `/whep/sessions/${id}`).header("etag", etag);
    if (links.length > 0) reply.header("link", [...links]);
    return reply.code(201).type(OFFER_TYPE).send(sdp);
  });
  addPreflight(app, url, "POST, OPTIONS", { "accept-post": OFFER_TYPE });
  addSessionRoutes(app, "/whep/sessions/:id", service.sessions);
}
