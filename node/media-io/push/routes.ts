import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerRefusals } from "../http-refusals.ts";
import type { RungShape } from "../publish-sink.ts";
import { chooseRenditions, writeAnswer } from "./answer.ts";
import { PushError, pushMeanings } from "./errors.ts";
import type { PushOptions } from "./options.ts";
import type { PushService } from "./push-service.ts";
import type { PushedMedia } from "./pushed-media.ts";
import { parseTranscodeConfiguration } from "./transcode-configuration.ts";

export interface PushRoutesParts {
  readonly service: PushService;
  readonly options: Pick<PushOptions, "maxSegmentMs">;
}

interface SegmentPath {
  stream: string;
  file: string;
}

const MAX_KEY = 256;
const fileName = /^(\d{1,15})\.ts$/;

/**
 * `PUT` or `POST /live/<stream>/<number>.ts`, as a Livepeer gateway takes it; answered when the segment's
 * renditions are made, with them for who accepts `multipart/mixed`. The stream's name is its key; where the
 * key comes as `Authorization: Bearer`, the name is the client's own. The key is in no log: routes are noted by their
 * pattern.
 */
export async function pushRoutes(app: FastifyInstance, { service, options }: PushRoutesParts): Promise<void> {
  answerRefusals(app, pushMeanings);
  // Whatever type a client gives it, the body is the segment, and is read when its sender is known.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  app.route<{ Params: SegmentPath }>({
    method: ["PUT", "POST"],
    url: "/live/:stream/:file",
    handler: async (request, reply) => {
      try {
        return await takeSegment(request, reply);
      } finally {
        // What is left of a refused body is not worth reading.
        if (!request.raw.readableEnded) reply.header("connection", "close");
      }
    },
  });

  async function takeSegment(
    request: FastifyRequest<{ Params: SegmentPath }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { params, headers, ip: address } = request;
    const number = fileName.exec(params.file)?.[1];
    if (number === undefined) throw new PushError({ code: "PUSH_NAME_INVALID" });
    const key = /^Bearer ([!-~]+)$/i.exec(headers.authorization ?? "")?.[1] ?? params.stream;
    if (key.length > MAX_KEY) throw new PushError({ code: "PUSH_KEY_INVALID" });
    checkFacts(request, options.maxSegmentMs);
    const profiles = parseTranscodeConfiguration(readHeader(request, "livepeer-transcode-configuration") ?? "{}");
    if (request.body === undefined) throw new PushError({ code: "PUSH_BODY_MISSING" });
    const body = request.body as AsyncIterable<Uint8Array>;
    const [gone, closed] = [new AbortController(), new AbortController()];
    // Of the answer, since a request is closed as soon as its body was read.
    reply.raw.once("close", () => {
      closed.abort();
      if (!reply.raw.writableFinished) gone.abort();
    });
    const wantsAnswer = /\bmultipart\/mixed\b/i.test(headers.accept ?? "");
    // A client that names profiles hears of one that nobody sells, also where it fetches the renditions elsewhere.
    const choose = <R extends RungShape>(media: PushedMedia, renditions: readonly R[]) =>
      wantsAnswer || profiles !== undefined ? chooseRenditions({ media, renditions, profiles }) : [];
    const pushed = await service.push({ key, number: Number(number), address, body, judge: choose, gone: gone.signal });
    reply.header("cache-control", "no-store").code(200);
    const chosen = choose(pushed.media, pushed.renditions);
    if (!wantsAnswer) return reply.send();
    const hold = (bytes: number) => pushed.holdAnswer(bytes, closed.signal, () => reply.raw.destroy());
    const answer = await writeAnswer(Number(number), { media: pushed.media, chosen, hold });
    return reply.type(answer.contentType).send(answer.body);
  }
}

/** What a client says of its segment: the media itself is believed, but nonsense is refused before it is read. */
function checkFacts(request: FastifyRequest, maxMs: number): void {
  const duration = readHeader(request, "content-duration");
  if (duration !== undefined && !/^\d{1,9}$/.test(duration)) {
    throw new PushError({ code: "PUSH_HEADER_INVALID", header: "Content-Duration" });
  }
  if (Number(duration ?? 0) > maxMs) throw new PushError({ code: "PUSH_SEGMENT_TOO_LONG", limitMs: maxMs });
  const resolution = readHeader(request, "content-resolution");
  if (resolution !== undefined && !/^\d{1,5}x\d{1,5}$/.test(resolution)) {
    throw new PushError({ code: "PUSH_HEADER_INVALID", header: "Content-Resolution" });
  }
}

/** Undefined also where it is empty: Livepeer's clients send what they have. */
function readHeader(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
