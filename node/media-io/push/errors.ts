import { CodedError } from "@leat/sdk/base/errors.ts";
import { type Meanings, publishMeanings } from "../http-refusals.ts";

/** Why a pushed segment is refused. */
export class PushError extends CodedError<
  | { code: "PUSH_NAME_INVALID" }
  | { code: "PUSH_KEY_INVALID" }
  | { code: "PUSH_HEADER_INVALID"; header: string }
  | { code: "PUSH_CONFIGURATION_INVALID"; what: string }
  | { code: "PUSH_BODY_MISSING" }
  | { code: "PUSH_SEGMENT_TOO_LARGE"; limit: number }
  | { code: "PUSH_SEGMENT_TOO_LONG"; limitMs: number }
  | { code: "PUSH_SEGMENT_EMPTY" }
  | { code: "PUSH_KEY_FRAME_MISSING" }
  | { code: "PUSH_SEGMENT_LATE"; number: number; newest: number }
  | { code: "PUSH_SEGMENT_CHANGED"; number: number }
  | { code: "PUSH_PROFILE_UNSOLD"; profile: string }
  | { code: "PUSH_RENDITIONS_NONE" }
  | { code: "PUSH_RENDITIONS_LATE"; timeoutMs: number }
  | { code: "PUSH_CONFIG_CHANGES_EXCEEDED"; limit: number }
  | { code: "PUSH_SEGMENTS_WAITING"; limit: number }
  | { code: "PUSH_STREAMS_EXCEEDED"; limit: number }
  | { code: "PUSH_KEYS_WAITING"; limit: number }
  | { code: "PUSH_MEMORY_FULL"; limit: number }
  | { code: "PUSH_UPLOAD_SLOW"; timeoutMs: number }
  | { code: "PUSH_UPLOAD_CUT" }
  | { code: "PUSH_IDLE"; timeoutMs: number }
  | { code: "PUSH_STOPPED" }
> {}

export type PushCode = PushError["detail"]["code"];

/**
 * A client of a Livepeer gateway gives a segment up at 422 and sends it again at any other refusal: what no repetition
 * helps is 422.
 */
const ownMeanings: Readonly<Record<Exclude<PushCode, "PUSH_UPLOAD_CUT" | "PUSH_IDLE">, Meanings[string]>> = {
  PUSH_NAME_INVALID: [400, "a segment is at /live/KEY/NUMBER.ts"],
  PUSH_KEY_INVALID: [403, "a stream key has up to 256 letters"],
  PUSH_HEADER_INVALID: [400, "Content-Duration is in milliseconds, Content-Resolution is WIDTHxHEIGHT"],
  PUSH_CONFIGURATION_INVALID: [400, "Livepeer-Transcode-Configuration cannot be read"],
  PUSH_BODY_MISSING: [400, "the body is the segment"],
  PUSH_SEGMENT_TOO_LARGE: [413, "the segment has more bytes than this node takes"],
  PUSH_SEGMENT_TOO_LONG: [422, "the segment lasts longer than this node takes"],
  PUSH_SEGMENT_EMPTY: [422, "the segment holds neither pictures nor sound"],
  PUSH_KEY_FRAME_MISSING: [422, "a segment begins with a key frame"],
  PUSH_SEGMENT_LATE: [422, "later segments were taken already"],
  PUSH_SEGMENT_CHANGED: [422, "another segment of this number was taken already"],
  PUSH_PROFILE_UNSOLD: [422, "the stream's ladder has no rung like one of the profiles: make a stream that has"],
  PUSH_RENDITIONS_NONE: [
    422,
    "the segment is taken, and no rung of the ladder goes into a transport stream: make a stream with H.264",
  ],
  PUSH_RENDITIONS_LATE: [
    503,
    "the segment is taken, and its renditions are not made in time: send the same segment again under its number",
  ],
  PUSH_CONFIG_CHANGES_EXCEEDED: [422, "the stream changes its configuration too often"],
  PUSH_SEGMENTS_WAITING: [429, "too many segments of this stream are on their way"],
  PUSH_STREAMS_EXCEEDED: [503, "this node takes as many pushed streams as it can"],
  PUSH_KEYS_WAITING: [429, "too many streams of this address begin at once; try again"],
  PUSH_MEMORY_FULL: [503, "this node holds as many segments as it can; try again"],
  PUSH_UPLOAD_SLOW: [408, "the segment took too long to come"],
  PUSH_STOPPED: [503, "this node is stopping"],
};

const mediaMeaning: Meanings[string] = [422, "the segment is no transport stream that is taken here"];

/** What a segment cannot be read for. */
const mediaMeanings: Meanings = Object.fromEntries(
  [
    "MPEGTS_SYNC_LOST",
    "MPEGTS_PACKET_SIZE_UNSUPPORTED",
    "MPEGTS_PROGRAM_MISSING",
    "MPEGTS_CODEC_UNSUPPORTED",
    "MPEGTS_SCRAMBLED",
    "MPEGTS_CONFIG_TOO_LARGE",
    "MPEGTS_FRAME_TOO_LARGE",
    "MPEGTS_CONFIG_CHANGES_EXCEEDED",
    "BITSTREAM_TRUNCATED",
    "BITSTREAM_INVALID",
    "BITSTREAM_UNSUPPORTED",
  ].map((code) => [code, mediaMeaning]),
);

export const pushMeanings: Meanings = {
  ...publishMeanings,
  ...mediaMeanings,
  ...ownMeanings,
  // As a gateway refuses what its webhook refuses.
  STREAM_KEY_UNKNOWN: [403, "nobody has this stream key: take the stream's own, or have its owner make another"],
  INGEST_RENDITIONS_SHORT: [422, "the segment is taken and its renditions could not be made whole"],
  INGEST_LEASE_LOST: [503, "the stream was taken from this node; try again"],
};
