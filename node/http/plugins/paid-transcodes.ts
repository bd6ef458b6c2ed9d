import type { Readable } from "node:stream";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Prices } from "@leat/sdk/protocol/job.ts";
import { findNamedLadder } from "@leat/sdk/protocol/named-ladders.ts";
import { BALANCE_HEADER } from "@leat/sdk/protocol/x402.ts";
import { type Ladder, parseLadder } from "@leat/transcoder/ladder.ts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { parseRange } from "../../media-io/hls/range.ts";
import { StoredJobError } from "../../services/stored-jobs/errors.ts";
import { type DeclaredSource, pixelCost, priceJob } from "../../services/stored-jobs/price.ts";
import {
  countPixels,
  type StoredFile,
  type StoredJob,
  type StoredJobOptions,
  type StoredJobs,
} from "../../services/stored-jobs/stored-job-service.ts";
import { declareErrors } from "../errors.ts";
import type { X402Door } from "./x402.ts";

export interface PaidTranscodesComponents {
  readonly jobs: StoredJobs;
  readonly door: X402Door;
  /** Of the token that the door takes. */
  readonly prices: Prices;
}

/** Else whoever leaves just before the answer has a node work for nothing, over and over. */
const chargedInFull: ReadonlySet<StoredJobError["code"]> = new Set([
  "STORED_JOB_BEYOND_DECLARED",
  "STORED_JOB_ABANDONED",
]);

interface Asked {
  Querystring: Record<string, unknown>;
}

/**
 * `POST /v1/transcodes?width=…&height=…&fps=…&seconds=…&ladder=<JSON>` with the source as its body. The price of what
 * was declared is taken ahead, and what was not used of it goes back to the balance.
 */
export async function addPaidTranscodes(
  app: FastifyInstance,
  { jobs, door, prices }: PaidTranscodesComponents,
  options: StoredJobOptions,
): Promise<void> {
  declareErrors(app, {
    LADDER_RUNGS_TOO_SMALL: 400,
    STORED_JOB_INVALID: 400,
    STORED_JOB_TOO_LONG: 400,
    STORED_JOB_TOO_LARGE: 413,
    STORED_JOB_LENGTH_MISSING: 411,
    STORED_JOB_CODEC_UNSOLD: 400,
    STORED_JOB_BUSY: 503,
    STORED_JOB_UNREADABLE: 422,
    STORED_JOB_BEYOND_DECLARED: 422,
    STORED_JOB_TIMED_OUT: 422,
    STORED_JOB_CUT_OFF: 400,
    STORED_JOB_ABANDONED: 400,
    STORED_JOB_FILE_UNKNOWN: 404,
  });

  await app.register(async (group) => {
    group.removeAllContentTypeParsers();
    // The source stays a stream: it is not read before it is paid.
    group.addContentTypeParser("*", (_request, payload, done) => done(null, payload));

    group.post<Asked>("/v1/transcodes", { bodyLimit: options.bodyBytes }, async (request, reply) => {
      const source = readSource(request.query, options);
      const ladder = readLadder(request.query.ladder);
      checkLength(request, options.bodyBytes);
      const job = priceJob(source, ladder, prices);
      if (jobs.isBusy) throw new StoredJobError({ code: "STORED_JOB_BUSY" });
      const resource = {
        description: "one file transcoded into a ladder, paid by the pixel",
        mimeType: "application/json",
        costExact: job.costExact,
      };
      const hold = await door.admit(request, reply, resource);
      if (hold === undefined) {
        request.raw.resume();
        return reply;
      }
      let usedExact = 0n;
      try {
        const task = { ladder, maxPixels: job.pixels, signal: goneSignal(reply) };
        const done = await jobs.run(request.body as Readable, task);
        usedExact = costOf(done, prices);
        return present(done);
      } catch (error) {
        // The work was done, for a source that was not what its client said, or for nobody.
        const isCharged = error instanceof StoredJobError && chargedInFull.has(error.code);
        if (isCharged) usedExact = job.costExact;
        throw error;
      } finally {
        await hold.settleNow(usedExact);
        reply.header(BALANCE_HEADER, (await door.balance(hold.payer)).toString());
      }
    });

    group.route<{ Params: { id: string; file: string } }>({
      method: ["GET", "HEAD"],
      url: "/v1/transcodes/:id/:file",
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        const name = /^(.{1,64})\.mp4$/.exec(request.params.file)?.[1] ?? "";
        return sendFile(request, reply, jobs.find(request.params.id, name));
      },
    });
  });
}

/** Players begin with what stands at its front, and seek by ranges. */
function sendFile(request: FastifyRequest, reply: FastifyReply, { sizeBytes, sha256, read }: StoredFile): FastifyReply {
  const range = parseRange(request.headers.range, sizeBytes);
  reply.header("cache-control", "private, no-store").header("accept-ranges", "bytes").header("etag", `"${sha256}"`);
  if (range === "unsatisfiable") return reply.code(416).header("content-range", `bytes */${sizeBytes}`).send();
  const { from, to } = range ?? { from: 0, to: sizeBytes };
  if (range !== undefined) reply.code(206).header("content-range", `bytes ${from}-${to - 1}/${sizeBytes}`);
  reply.header("content-length", to - from).type("video/mp4");
  return request.method === "HEAD" ? reply.send() : reply.send(read(from, to));
}

function readSource(query: Record<string, unknown>, { seconds: most }: StoredJobOptions): DeclaredSource {
  const [width, height] = [readNumber(query, "width", 16, 8_192), readNumber(query, "height", 16, 8_192)];
  if (!Number.isInteger(width)) throw invalid("width");
  if (!Number.isInteger(height)) throw invalid("height");
  const fps = readNumber(query, "fps", 1, 240);
  const seconds = readNumber(query, "seconds", 0.001, 1_000_000);
  if (seconds > most) throw new StoredJobError({ code: "STORED_JOB_TOO_LONG", seconds, most });
  return { width, height, fps, seconds };
}

function readNumber(query: Record<string, unknown>, field: string, low: number, high: number): number {
  const text = query[field];
  const value = typeof text === "string" && /^[0-9]{1,9}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= low && value <= high)) throw invalid(field);
  return value;
}

function readLadder(text: unknown): Ladder {
  if (typeof text !== "string" || text.length > 4_096) throw invalid("ladder");
  try {
    return findNamedLadder(text) ?? parseLadder(JSON.parse(text));
  } catch (cause) {
    const message =
      cause instanceof CodedError ? cause.message : "the ladder is a JSON array of rungs, or a name such as h264+vp9";
    throw new StoredJobError({ code: "STORED_JOB_INVALID", field: "ladder" }, { cause, message });
  }
}

/** Said before it is paid: a source that turns out too large later would have been paid for nothing. */
function checkLength(request: FastifyRequest, most: number): void {
  const sizeBytes = Number(request.headers["content-length"] ?? Number.NaN);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1)
    throw new StoredJobError({ code: "STORED_JOB_LENGTH_MISSING" });
  if (sizeBytes > most) throw new StoredJobError({ code: "STORED_JOB_TOO_LARGE", sizeBytes, most });
}

/** Aborts when the client leaves before its answer: nobody would get the renditions. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  return gone.signal;
}

function costOf({ renditions }: StoredJob, prices: Prices): bigint {
  return renditions.reduce(
    (sum, { codec, width, height, frames }) => sum + pixelCost(codec, BigInt(width * height) * BigInt(frames), prices),
    0n,
  );
}

function present({ id, renditions }: StoredJob) {
  return {
    pixels: countPixels(renditions).toString(),
    renditions: renditions.map((rendition) => ({ ...rendition, path: `/v1/transcodes/${id}/${rendition.name}.mp4` })),
  };
}

function invalid(field: string): StoredJobError {
  return new StoredJobError(
    { code: "STORED_JOB_INVALID", field },
    { message: `the query's ${field} is missing or wrong` },
  );
}
