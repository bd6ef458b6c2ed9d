import { CodedError } from "@leat/sdk/base/errors.ts";

/** What cannot be read as RTMP, or is more of it than anybody would send. */
export class RtmpWireError extends CodedError<
  | { code: "RTMP_CHUNK_STREAMS_EXCEEDED"; limit: number }
  | { code: "RTMP_CHUNK_SIZE_INVALID"; sizeBytes: number }
  | { code: "RTMP_CHUNK_HEADER_MISSING"; chunkStream: number }
  | { code: "RTMP_MESSAGE_TOO_LARGE"; sizeBytes: number; limit: number }
  | { code: "RTMP_BUFFER_EXCEEDED"; limit: number }
  | { code: "RTMP_MESSAGE_INVALID"; type: number }
  | { code: "RTMP_AMF_INVALID"; what: string }
> {}
