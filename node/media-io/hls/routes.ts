import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Family, RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import { initSegment } from "../../media/mp4/init.ts";
import { PlaybackError } from "../access/errors.ts";
import { addViewerGuard } from "../access/guard.ts";
import type { ViewerAccess } from "../access/viewer-access.ts";
import { sendMissing, sendRefused } from "./answers.ts";
import { Audiences } from "./audience.ts";
import { countedBody, selectBytes } from "./counted-body.ts";
import { durationOf, findOpen, findSegment, isNamedByTime } from "./named-segment.ts";
import { OpenBodies } from "./open-body.ts";
import { type Document, etagOf, PlaylistCache } from "./playlist-cache.ts";
import { parseRange } from "./range.ts";
import { isThere, isTooFar, readReload, Waiters } from "./reload.ts";
import type { HlsPart, HlsProvider, HlsStream } from "./stream.ts";

/** Asks viewers for payment where a stream wants it. */
export interface HlsDoor {
  isPaid(stream: Pick<HlsStream, "isUnbudgeted">): boolean;
  /** Headers that pages of other origins may send and read, beyond those of plain HLS. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  /** Undefined: answered already. `settle` takes how many bytes of media went out of those asked for, once. */
  admit(
    request: FastifyRequest,
    reply: FastifyReply,
    sizeBytes: number,
  ): Promise<{ settle(sentBytes: number): void } | undefined>;
}

export interface HlsOptions {
  readonly provider: HlsProvider;
  readonly metrics?: MetricsRegister;
  readonly clock?: Clock;
  readonly door?: HlsDoor | undefined;
  /** Where viewers are counted who come by another way too; without it, those of this way alone. */
  readonly audiences?: Audiences;
  /** Decides about streams that are not public; without it they are played to nobody. */
  readonly access?: ViewerAccess;
}

const nobody: ViewerAccess = {
  admit: async () => {
    throw new PlaybackError({ code: "PLAYBACK_TOKEN_MISSING" });
  },
};
const PLAYLIST_TYPE = "application/vnd.apple.mpegurl";
const MPD_TYPE = "application/dash+xml";
const MPD_FILE = "manifest.mpd";
/** Where a DASH player sets its clock; the manifest names it. */
const TIME_FILE = "time";
/** What players of DASH alone ask for: the first file of a rung is one for HLS and DASH. */
const isOfDash = (file: string) => file === MPD_FILE || file === TIME_FILE || isNamedByTime(file);
/** How many watch, and what they got: this node's viewers alone. */
const AUDIENCE_FILE = "audience";
/** Segments never change under their name, and are gone in minutes. */
const FIXED = "public, max-age=600, immutable";
/** A playlist is asked for again and again: a cache in front may answer for a second, whoever asks. */
const FRESH = "public, max-age=1";
/** Whoever waits for a segment has all before it: what was answered to the first is right for those who come later. */
const ANSWERED = "public, max-age=24";

/** Serves the provider's streams on `app`. */
export async function addLive(
  app: FastifyInstance,
  provider: HlsProvider,
  more: Omit<HlsOptions, "provider"> = {},
): Promise<void> {
  await app.register(hlsRoutes, { provider, ...more });
}

/** `/live/<slug>/master.m3u8` (or `master-<family>.m3u8`) and what it leads to. */
export async function hlsRoutes(
  app: FastifyInstance,
  {
    provider,
    metrics = silentMetrics,
    clock = systemClock,
    door,
    access = nobody,
    audiences = new Audiences(clock),
  }: HlsOptions,
): Promise<void> {
  const served = metrics.counter({ name: "leat_hls_served_bytes_total", help: "Media bytes sent to viewers" });
  const playlists = new PlaylistCache();
  const waiters = new Waiters(clock);
  const openBodies = new OpenBodies(waiters, clock);
  const allowed = [...new Set(["Range", "Authorization", ...(door?.requestHeaders ?? [])])].join(", ");
  const exposed = ["Content-Length, Content-Range, ETag, Date", ...(door?.responseHeaders ?? [])].join(", ");

  app.addHook("preClose", async () => waiters.close());
  // Those of pages would be a third of what a part's answer costs.
  app.addHook("onRequest", (_request, reply, done) => {
    reply.header("access-control-allow-origin", "*");
    reply.header("access-control-expose-headers", exposed);
    reply.header("cross-origin-resource-policy", "cross-origin");
    reply.header("x-content-type-options", "nosniff");
    done();
  });
  const find = ({ params }: FastifyRequest) => provider.findStream((params as { slug: string }).slug)?.guarded;
  const protocolOf = ({ params }: FastifyRequest) => (isOfDash((params as { file: string }).file) ? "dash" : "hls");
  addViewerGuard(app, { access, protocolOf, find });

  app.route<{ Params: { slug: string; file: string } }>({
    method: ["GET", "HEAD"],
    url: "/live/:slug/:file",
    exposeHeadRoute: false,
    helmet: false,
    handler: async (request, reply) => {
      const stream = provider.findStream(request.params.slug);
      if (stream === undefined) return sendMissing(reply, "HLS_STREAM_UNKNOWN");
      const { file } = request.params;
      if (file === TIME_FILE) {
        reply.header("cache-control", "no-store").type("text/plain");
        return reply.send(new Date(clock.nowMs()).toISOString());
      }
      if (file === AUDIENCE_FILE) {
        return reply.header("cache-control", "public, max-age=1").send(audiences.of(stream).figures());
      }
      audiences.of(stream).see(request);
      if (file === MPD_FILE) {
        const document = playlists.get(stream.window, file, stream.window.revision, () => stream.window.mpd());
        return document === undefined
          ? sendMissing(reply, "HLS_NOT_READY")
          : sendPlaylist(request, reply, stream, document, FRESH, MPD_TYPE);
      }
      const match = /^master(?:-(h264|hevc|vp9|av1))?\.m3u8$/.exec(file);
      if (match === null) return sendMissing(reply, "HLS_FILE_UNKNOWN");
      const family = match[1] as Family | undefined;
      const { revision } = stream.window;
      const document = playlists.get(stream.window, file, revision, () => stream.window.master(family));
      return document === undefined
        ? sendMissing(reply, "HLS_NOT_READY")
        : sendPlaylist(request, reply, stream, document, FRESH);
    },
  });

  app.route<{ Params: { slug: string; name: string; file: string } }>({
    method: ["GET", "HEAD"],
    url: "/live/:slug/:name/:file",
    exposeHeadRoute: false,
    helmet: false,
    handler: async (request, reply) => {
      const { slug, name, file } = request.params;
      const stream = provider.findStream(slug);
      if (stream === undefined) return sendMissing(reply, "HLS_STREAM_UNKNOWN");
      const info = stream.window.rendition(name);
      if (info === undefined) return sendMissing(reply, "HLS_RENDITION_UNKNOWN");
      audiences.of(stream).see(request);
      if (file === "index.m3u8") return sendMediaPlaylist(request, reply, stream, name);
      if (file === "iframes.m3u8" && info.kind === "video") {
        const { revision } = stream.window;
        const document = playlists.get(stream.window, `${name}/${file}`, revision, () => stream.window.iframes(name));
        return document === undefined
          ? sendMissing(reply, "HLS_NOT_READY")
          : sendPlaylist(request, reply, stream, document, FRESH);
      }
      return sendMedia(request, reply, stream, info, file);
    },
  });

  for (const url of ["/live/:slug/:file", "/live/:slug/:name/:file"]) {
    app.options(url, (_request, reply) => {
      reply.header("access-control-allow-methods", "GET, HEAD, OPTIONS");
      reply.header("access-control-allow-headers", allowed);
      reply.header("access-control-max-age", "86400");
      return reply.code(204).send();
    });
  }

  /**
   * A player that names a segment (`_HLS_msn`) or a part of it (`_HLS_part`) is answered once it is there, or after a
   * while with what there is.
   */
  async function sendMediaPlaylist(
    request: FastifyRequest,
    reply: FastifyReply,
    stream: HlsStream,
    name: string,
  ): Promise<FastifyReply> {
    const reload = readReload(request.url);
    if (reload === undefined) return sendRefused(reply, "HLS_DIRECTIVE_INVALID");
    const { window } = stream;
    if (window.headOf(name) < 0) return sendMissing(reply, "HLS_NOT_READY");
    if (isTooFar(window, name, reload)) return sendRefused(reply, "HLS_RELOAD_TOO_FAR");
    window.settle(name, clock.nowMs());
    const { sequence, part } = reload;
    const what = `${name} ${sequence} ${part}`;
    if (part !== undefined && !isThere(window, name, reload)) stream.awaited?.();
    await waiters.until(window, what, () => isThere(window, name, reload), reply.raw);
    window.settle(name, clock.nowMs());
    const key = `${name}/${reload.skip ? "skip" : ""}`;
    const write = () => window.playlist(name, { skip: reload.skip });
    const document = playlists.get(window, key, window.revisionOf(name), write);
    if (document === undefined) return sendMissing(reply, "HLS_NOT_READY");
    const caching = reload.sequence === undefined ? FRESH : isThere(window, name, reload) ? ANSWERED : "no-store";
    return sendPlaylist(request, reply, stream, document, caching);
  }

  async function sendMedia(
    request: FastifyRequest,
    reply: FastifyReply,
    stream: HlsStream,
    info: RenditionInfo,
    file: string,
  ): Promise<FastifyReply> {
    const type = info.kind === "video" ? "video/mp4" : "audio/mp4";
    const init = /^init-(\d{1,9})\.mp4$/.exec(file);
    if (init !== null) {
      const config = stream.window.config(info.name, Number(init[1]));
      if (config === undefined) return sendMissing(reply, "HLS_FILE_UNKNOWN");
      const body = initSegment(config);
      return sendBytes(request, reply, stream, { pieces: [body], type, etag: etagOf(body), count: undefined });
    }
    const part = /^(\d{1,15})\.(\d{1,9})\.m4s$/.exec(file);
    if (part !== null)
      return sendPart(request, reply, stream, info, { sequence: Number(part[1]), part: Number(part[2]) });
    const open = findOpen(stream.window, info.name, file);
    if (open !== undefined && door?.isPaid(stream) !== true) return sendOpen(request, reply, stream, info, open);
    // What a segment costs is known once it is whole.
    if (open !== undefined) await openBodies.untilWhole(stream.window, info.name, open.sequence, reply.raw);
    const segment = findSegment(stream.window, info.name, file);
    const pieces = segment === undefined ? undefined : stream.pieces(info.rung, segment.sequence);
    if (segment === undefined || pieces === undefined) return sendMissing(reply, "HLS_FILE_UNKNOWN");
    const { sequence } = segment;
    const audience = audiences.of(stream);
    const durationS = durationOf(stream.window, info, segment.durationTicks);
    const count = (from: number, to: number) => stream.count(info.rung, sequence, from, to);
    const onSent = (bytes: number) => audience.sent(bytes, (durationS * bytes) / segment.sizeBytes);
    const etag = `"${sequence}-${segment.parts.at(-1)?.sha256.slice(2, 18) ?? segment.sizeBytes}"`;
    return sendBytes(request, reply, stream, { pieces, type, etag, count, onSent });
  }

  /** A segment that is being written goes out part by part, as those come. Its length and hash are known to nobody. */
  function sendOpen(
    request: FastifyRequest,
    reply: FastifyReply,
    stream: HlsStream,
    info: RenditionInfo,
    { sequence }: { readonly sequence: number },
  ): FastifyReply {
    const audience = audiences.of(stream);
    const onSent = ({ offset, sizeBytes, durationTicks }: HlsPart) => {
      served.add(sizeBytes);
      audience.sent(sizeBytes, durationOf(stream.window, info, durationTicks));
      stream.count(info.rung, sequence, offset, offset + sizeBytes);
    };
    reply.header("cache-control", FIXED).type(info.kind === "video" ? "video/mp4" : "audio/mp4");
    if (request.method === "HEAD") return reply.send();
    stream.awaited?.();
    return reply.send(openBodies.of(stream, { info, sequence, response: reply.raw, onSent }));
  }

  /** A part that is hinted is answered when it is there: a player asks for it ahead. */
  async function sendPart(
    request: FastifyRequest,
    reply: FastifyReply,
    stream: HlsStream,
    info: RenditionInfo,
    { sequence, part }: { sequence: number; part: number },
  ): Promise<FastifyReply> {
    const { window } = stream;
    const isHere = () => !window.isNextPart(info.name, sequence, part);
    if (!isHere()) stream.awaited?.();
    await waiters.until(window, `${info.name} ${sequence}.${part}`, isHere, reply.raw);
    const found = window.part(info.name, sequence, part);
    const body = stream.partBytes(info.rung, sequence, part);
    if (found === undefined || body === undefined) return sendMissing(reply, "HLS_FILE_UNKNOWN");
    const { offset, sizeBytes, durationTicks, sha256 } = found;
    const audience = audiences.of(stream);
    const durationS = durationOf(window, info, durationTicks);
    const count = (from: number, to: number) => stream.count(info.rung, sequence, offset + from, offset + to);
    const onSent = (bytes: number) => audience.sent(bytes, (durationS * bytes) / sizeBytes);
    const type = info.kind === "video" ? "video/mp4" : "audio/mp4";
    const etag = `"${sha256.slice(2, 24)}"`;
    return sendBytes(request, reply, stream, { pieces: [body], type, etag, count, onSent });
  }

  async function sendBytes(
    request: FastifyRequest,
    reply: FastifyReply,
    stream: HlsStream,
    { pieces, type, etag, count, onSent: note }: Served,
  ): Promise<FastifyReply> {
    const isKnown = request.headers["if-none-match"] === etag;
    const sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0);
    const range = isKnown ? undefined : parseRange(request.headers.range, sizeBytes);
    const { from, to } = range === undefined || range === "unsatisfiable" ? { from: 0, to: sizeBytes } : range;
    const hasBody = !isKnown && range !== "unsatisfiable" && request.method !== "HEAD";
    const charge = await enter(request, reply, stream, hasBody && count !== undefined ? to - from : 0);
    if (charge === "refused") return reply;
    if (charge === "free") reply.header("cache-control", FIXED);
    reply.header("etag", etag).header("accept-ranges", "bytes");
    if (isKnown) return reply.code(304).send();
    if (range === "unsatisfiable") {
      reply.header("content-range", `bytes */${sizeBytes}`).header("cache-control", "no-store");
      return reply.code(416).send();
    }
    if (range !== undefined) reply.code(206).header("content-range", `bytes ${from}-${to - 1}/${sizeBytes}`);
    reply.type(type).header("content-length", to - from);
    if (!hasBody) return reply.send();
    const onSent = (first: number, end: number) => {
      if (count === undefined) return;
      served.add(end - first);
      note?.(end - first);
      // Bytes that their viewer pays for are not asked of the stream's buyer as well.
      if (charge === "free") count(first, end);
      else charge.sentBytes += end - first;
    };
    return reply.send(countedBody(selectBytes(pieces, from, to), from, reply.raw, onSent));
  }

  async function sendPlaylist(
    request: FastifyRequest,
    reply: FastifyReply,
    stream: HlsStream,
    document: Document,
    caching: string,
    type = PLAYLIST_TYPE,
  ): Promise<FastifyReply> {
    const charge = await enter(request, reply, stream, 0);
    if (charge === "refused") return reply;
    if (charge === "free") reply.header("cache-control", caching);
    const { body, etag, encoding } = document.encodedFor(request.headers["accept-encoding"]);
    reply.header("etag", etag).header("vary", "accept-encoding").type(type);
    if (request.headers["if-none-match"] === etag) return reply.code(304).send();
    if (encoding !== undefined) reply.header("content-encoding", encoding);
    reply.header("content-length", body.length);
    return request.method === "HEAD" ? reply.send() : reply.send(body);
  }

  /** Takes the viewer's money where it pays, and gives back what was not sent once the answer is over. */
  async function enter(
    request: FastifyRequest,
    reply: FastifyReply,
    stream: HlsStream,
    sizeBytes: number,
  ): Promise<"free" | "refused" | { sentBytes: number }> {
    if (door?.isPaid(stream) !== true) return "free";
    const admission = await door.admit(request, reply, sizeBytes);
    if (admission === undefined) return "refused";
    const charge = { sentBytes: 0 };
    if (reply.raw.closed) admission.settle(0);
    else reply.raw.once("close", () => admission.settle(charge.sentBytes));
    return charge;
  }
}

interface Served {
  /** The whole body, in order. */
  readonly pieces: readonly Uint8Array[];
  readonly type: string;
  readonly etag: string;
  /** Undefined for what is not media: it is sold to nobody. */
  readonly count: ((from: number, to: number) => void) | undefined;
  /** So many bytes of it went out, whoever pays. */
  readonly onSent?: (bytes: number) => void;
}
