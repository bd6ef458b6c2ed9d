import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { FastifyInstance, FastifyReply } from "fastify";

export class WebError extends CodedError<{ code: "WEB_PAGES_MISSING"; dir: string }> {}

const builtDir = fileURLToPath(new URL("dist", import.meta.url));

/**
 * The pages, built beforehand: `/watch/{slug}` and, for browsers, `/play/{slug}`. Programs that ask `/play/{slug}` for
 * anything but HTML are sent to the API's answer.
 * @throws WEB_PAGES_MISSING when the pages were not built.
 */
export async function addPages(app: FastifyInstance, dir = builtDir): Promise<void> {
  if (!existsSync(`${dir}/watch/index.html`)) {
    throw new WebError(
      { code: "WEB_PAGES_MISSING", dir },
      { message: 'the pages were not built; run "npm run build:web"' },
    );
  }
  await app.register(fastifyStatic, { root: dir, prefix: "/assets/", immutable: true, maxAge: "1d", index: false });
  app.get<{ Params: { slug: string } }>("/watch/:slug", async (_request, reply) => sendWatchPage(reply));
  app.get<{ Params: { slug: string } }>("/play/:slug", async (request, reply) => {
    reply.header("vary", "accept");
    if (request.headers.accept?.includes("text/html") === true) return sendWatchPage(reply);
    // A token comes behind the question mark.
    const query = /\?.*$/.exec(request.url)?.[0] ?? "";
    return reply.redirect(`/v1/play/${encodeURIComponent(request.params.slug)}${query}`, 307);
  });

  function sendWatchPage(reply: FastifyReply) {
    // The page names its scripts by content hash: it must be asked for again, they need not be.
    return reply.header("cache-control", "no-cache").sendFile("watch/index.html", dir, { cacheControl: false });
  }
}
