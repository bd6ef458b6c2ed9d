import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { findToken, originOf } from "../access/carried-token.ts";
import { addViewerGuard } from "../access/guard.ts";
import type { Guarded, ViewerAccess } from "../access/viewer-access.ts";
import { answerRefusals } from "../http-refusals.ts";
import { playoutMeanings } from "../playout/errors.ts";
import type { Mp4Service } from "./mp4-service.ts";

export interface Mp4RoutesOptions {
  readonly service: Mp4Service;
  readonly access: ViewerAccess;
  readonly find: (slug: string) => Guarded | undefined;
}

/** `GET /live/<slug>/<rung>.mp4`: one rung with its sound, from the next key frame on, for as long as the stream lasts. */
export async function mp4Routes(app: FastifyInstance, { service, access, find }: Mp4RoutesOptions): Promise<void> {
  const guardedBy = ({ params }: FastifyRequest) => find((params as { slug: string }).slug);
  answerRefusals(app, playoutMeanings);
  // Whoever watches would hold the server's end up.
  app.addHook("preClose", async () => service.endAll());
  app.addHook("onRequest", async (_request, reply) => {
    reply.header("access-control-allow-origin", "*").header("cache-control", "no-store");
  });
  addViewerGuard(app, { access, protocol: "mp4", find: guardedBy });

  app.route<{ Params: { slug: string; rung: string } }>({
    method: ["GET", "HEAD"],
    url: "/live/:slug/:rung.mp4",
    exposeHeadRoute: false,
    handler: async (request, reply): Promise<FastifyReply> => {
      const choice = service.choose(request.params.slug, request.params.rung);
      service.takePlace();
      const type = choice.tracks[0].config.kind === "video" ? "video/mp4" : "audio/mp4";
      reply.header("accept-ranges", "none").type(type);
      if (request.method === "HEAD") return reply.send();
      const headers = request.headers;
      const asked = { token: findToken(request)?.token, address: request.ip, origin: originOf(headers) };
      const mayWatch = async () => {
        const guarded = guardedBy(request);
        if (guarded !== undefined) await access.admit(guarded, { ...asked, protocol: "mp4" });
      };
      reply.hijack();
      reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>);
      const viewer = { ip: request.ip, headers: { "user-agent": headers["user-agent"] } };
      service.play(choice, reply.raw, { viewer, mayWatch });
      return reply;
    },
  });
}
