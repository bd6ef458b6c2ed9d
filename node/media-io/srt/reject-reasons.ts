import { type PlaybackCode, playbackMeanings } from "../access/errors.ts";
import { type PlayoutError, playoutMeanings } from "../playout/errors.ts";

/** What SRT tells a caller that is refused: numbers of its access control, HTTP's with 1,000 added. */

const UNAUTHORIZED = 1_401;
const OVERLOAD = 1_402;
const FORBIDDEN = 1_403;
const CONFLICT = 1_409;
const UNSUPPORTED = 1_415;
const INTERNAL = 1_500;
const UNAVAILABLE = 1_503;

const HTTP = 1_000;

const reasons: Readonly<Record<string, number>> = {
  SRT_STREAMID_INVALID: 1_400,
  SRT_KEY_UNENCRYPTED: UNAUTHORIZED,
  SRT_MODE_UNSUPPORTED: 1_405,
  SRT_CONNECTIONS_EXCEEDED: OVERLOAD,
  SRT_STOPPED: UNAVAILABLE,
  STREAM_KEY_UNKNOWN: UNAUTHORIZED,
  STREAM_ENDED: FORBIDDEN,
  INGEST_KEYS_LIMITED: OVERLOAD,
  INGEST_BALANCER_AWAY: UNAVAILABLE,
  INGEST_NODE_UNPAID: UNAVAILABLE,
  INGEST_STOPPED: UNAVAILABLE,
  JOB_DRAINING: UNAVAILABLE,
  JOB_CAPACITY_SHORT: OVERLOAD,
  PRICE_ABOVE_CEILING: FORBIDDEN,
  INGEST_PUBLISHER_REPLACED: CONFLICT,
  INGEST_LEASE_LOST: CONFLICT,
  PUBLISH_LEASE_HELD: CONFLICT,
  INGEST_LADDER_MISSING: UNSUPPORTED,
};

export function rejectReasonOf(code: string): number {
  const named = reasons[code];
  if (named !== undefined) return named;
  const [status] = playbackMeanings[code as PlaybackCode] ?? playoutMeanings[code as PlayoutError["code"]] ?? [];
  if (status !== undefined) return HTTP + status;
  if (/^(MPEGTS|BITSTREAM)_/.test(code)) return UNSUPPORTED;
  return /^(BUYER|PAYER|PUBLISH|STREAM)_/.test(code) ? FORBIDDEN : INTERNAL;
}
