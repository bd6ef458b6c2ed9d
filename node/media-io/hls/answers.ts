import type { FastifyReply } from "fastify";

type MissingCode = "HLS_STREAM_UNKNOWN" | "HLS_RENDITION_UNKNOWN" | "HLS_FILE_UNKNOWN" | "HLS_NOT_READY";
type RefusedCode = "HLS_DIRECTIVE_INVALID" | "HLS_RELOAD_TOO_FAR";

const messages: Readonly<Record<MissingCode | RefusedCode, string>> = {
  HLS_STREAM_UNKNOWN: "no such stream is served here",
  HLS_RENDITION_UNKNOWN: "the stream has no such rendition",
  HLS_FILE_UNKNOWN: "no such file, or not any more",
  HLS_NOT_READY: "the stream has not begun; ask again in a second",
  HLS_DIRECTIVE_INVALID: "_HLS_msn is a segment number, _HLS_part stands beside it, _HLS_skip is YES or v2, each once",
  HLS_RELOAD_TOO_FAR: "_HLS_msn is more than two segments ahead",
};

export function sendMissing(reply: FastifyReply, code: MissingCode): FastifyReply {
  reply.header("cache-control", "no-store");
  // An edge has nothing in its first seconds. Players ask again after a 503; a 404 ends hls.js and others for good.
  if (code === "HLS_NOT_READY") reply.code(503).header("retry-after", "1");
  else reply.code(404);
  return reply.send({ error: { code, message: messages[code] } });
}

export function sendRefused(reply: FastifyReply, code: RefusedCode): FastifyReply {
  return reply
    .code(400)
    .header("cache-control", "no-store")
    .send({ error: { code, message: messages[code] } });
}
