import { type PlaybackCode, playbackMeanings } from "../access/errors.ts";
import { type PlayoutError, playoutMeanings } from "../playout/errors.ts";

/** What SRT tells a caller that is refused: numbers of its access control, HTTP's with 1,000 added. */

const UNAUTHORIZED = 1_401;
const OVERLOAD = 1_402;
const FORBIDDEN = 1_403;
const INTERNAL = 1_500;

const HTTP = 1_000;

const reasons: Readonly<Record<string, number>> = {
  SRT_STREAMID_INVALID: 1_400,
  SRT_KEY_UNENCRYPTED: UNAUTHORIZED,
  SRT_MODE_UNSUPPORTED: 1_405,
  SRT_CONNECTIONS_EXCEEDED: OVERLOAD,
  SRT_STOPPED: 1_503,
  STREAM_KEY_UNKNOWN: UNAUTHORIZED,
  STREAM_ENDED: FORBIDDEN,
  INGEST_KEYS_LIMITED: OVERLOAD,
  INGEST_BALANCER_AWAY: 1_503,
  PUBLISH_LEASE_HELD: 1_409,
};

export function rejectReasonOf(code: string): number {
  const named = reasons[code];
  if (named !== undefined) return named;
  const [status] = playbackMeanings[code as PlaybackCode] ?? playoutMeanings[code as PlayoutError["code"]] ?? [];
  if (status !== undefined) return HTTP + status;
  if (/^(MPEGTS|BITSTREAM)_/.test(code)) return 1_415;
  return /^(BUYER|PAYER|PUBLISH|STREAM)_/.test(code) ? FORBIDDEN : INTERNAL;
}
