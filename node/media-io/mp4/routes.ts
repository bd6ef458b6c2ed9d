import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { findToken, originOf } from "../access/carried-token.ts";
import { addViewerGuard } from "../access/guard.ts";
import { admitNow, type Guarded, type ViewerAccess } from "../access/viewer-access.ts";
import { parseRange } from "../hls/range.ts";
import { answerRefusals } from "../http-refusals.ts";
import { playoutMeanings } from "../playout/errors.ts";
import type { Mp4Service } from "./mp4-service.ts";
import type { WholeFile } from "./whole-file.ts";

export interface Mp4RoutesOptions {
  readonly service: Mp4Service;
  readonly access: ViewerAccess;
  readonly find: (slug: string) => Guarded | undefined;
}

const EXPOSED = "Content-Length, Content-Range, ETag";

/**
 * `GET /live/<slug>/<rung>.mp4`: one rung with its sound, from the next key frame on, for as long as the stream lasts; of
 * one that is over all that is left, with a length and in ranges.
 */
export async function mp4Routes(app: FastifyInstance, { service, access, find }: Mp4RoutesOptions): Promise<void> {
  const guardedBy = ({ params }: FastifyRequest) => find((params as { slug: string }).slug);
  answerRefusals(app, playoutMeanings);
  // Whoever watches would hold the server's end up.
  app.addHook("preClose", async () => service.cutAll());
  app.addHook("onRequest", async (_request, reply) => {
    reply.header("access-control-allow-origin", "*").header("cache-control", "no-store");
  });
  addViewerGuard(app, { access, protocolOf: () => "mp4", find: guardedBy });

  app.route<{ Params: { slug: string; rung: string } }>({
    method: ["GET", "HEAD"],
    url: "/live/:slug/:rung.mp4",
    exposeHeadRoute: false,
    handler: async (request, reply): Promise<FastifyReply> => {
      const choice = service.choose(request.params.slug, request.params.rung);
      if (choice.file !== undefined) return sendWhole(request, reply, choice.file);
      service.takePlace();
      const type = choice.tracks[0].config.kind === "video" ? "video/mp4" : "audio/mp4";
      reply.header("accept-ranges", "none").type(type);
      if (request.method === "HEAD") return reply.send();
      reply.hijack();
      reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>);
      service.play(choice, reply.raw, placeOf(request));
      return reply;
    },
  });

  function placeOf(request: FastifyRequest): Parameters<Mp4Service["play"]>[2] {
    const { headers, ip } = request;
    const asked = { token: findToken(request)?.token, address: ip, origin: originOf(headers), protocol: "mp4" };
    const mayWatch = () => admitNow(access, () => guardedBy(request), asked);
    return { viewer: { ip, headers: { "user-agent": headers["user-agent"] } }, mayWatch };
  }

  function sendWhole(request: FastifyRequest, reply: FastifyReply, file: WholeFile): FastifyReply {
    const { headers } = request;
    const { etag, sizeBytes, type } = file;
    // The stream may go on under this address: what was kept is asked about again.
    reply.header("cache-control", "public, no-cache").header("access-control-expose-headers", EXPOSED);
    reply.header("etag", etag).header("accept-ranges", "bytes").type(type);
    if (headers["if-none-match"] === etag) return reply.code(304).send();
    // The rest of another file is no rest of this one.
    const isSame = headers["if-range"] === undefined || headers["if-range"] === etag;
    const range = isSame ? parseRange(headers.range, sizeBytes) : undefined;
    if (range === "unsatisfiable") {
      return reply.code(416).header("content-range", `bytes */${sizeBytes}`).send();
    }
    const { from, to } = range ?? { from: 0, to: sizeBytes };
    if (request.method !== "HEAD") service.takePlace();
    if (range !== undefined) reply.code(206).header("content-range", `bytes ${from}-${to - 1}/${sizeBytes}`);
    reply.header("content-length", to - from);
    if (request.method === "HEAD") return reply.send();
    return reply.send(service.send(file, { from, to }, reply.raw, placeOf(request)));
  }
}
