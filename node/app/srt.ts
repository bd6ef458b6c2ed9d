import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { ReadinessCheck } from "../http/plugins/health.ts";
import type { Audiences } from "../media-io/hls/audience.ts";
import type { HlsDoor } from "../media-io/hls/routes.ts";
import type { PlayedStream } from "../media-io/playout/stream.ts";
import { deriveSrtSecret } from "../media-io/srt/passphrase.ts";
import { SrtService } from "../media-io/srt/srt-service.ts";
import type { AuthorizeSrt } from "../media-io/srt/srt-session.ts";
import type { Delivery } from "../services/delivery/delivery-service.ts";
import type { Ingest } from "../services/ingest/ingest-service.ts";
import type { Foundation } from "./foundation.ts";

export interface SrtHello {
  readonly srtUrl: string;
  readonly srtSecret: Hex;
}

export interface SrtRoles {
  readonly ingest: Ingest | undefined;
  readonly delivery: Delivery | undefined;
  readonly audiences: Audiences;
  readonly door: HlsDoor | undefined;
}

/**
 * Adds SRT to a node that takes streams in or delivers them: the same keys as by RTMP, the same policy, audience and pay
 * as for files. Tells what its balancers are told of it, which is nothing where it is off.
 */
export function addSrt(
  foundation: Foundation,
  { ingest, delivery, audiences, door }: SrtRoles,
): { readonly service: SrtService; readonly describe: () => SrtHello | undefined } {
  const { access, clock, config, key, logger, metrics, parts, readiness } = foundation;
  const srtSecret = deriveSrtSecret(key.secret);
  // A hash is believed: libsrt let in only who has its passphrase.
  const authorize: AuthorizeSrt | undefined =
    ingest &&
    ((target, info) =>
      target.type === "key" ? ingest.authorize(target.key, info) : ingest.authorizeHash(target.keyHash, info));
  const playout = delivery && {
    streams: delivery,
    access,
    audienceOf: (stream: PlayedStream) => audiences.of(stream),
    isPaid: (stream: PlayedStream) => door?.isPaid(stream) === true,
  };
  const does = { ...(authorize === undefined ? {} : { authorize }), ...(playout === undefined ? {} : { playout }) };
  const service = new SrtService({ ...does, secret: srtSecret, clock, logger, metrics }, config.srt);
  parts.push({ name: "srt", part: service });
  readiness.push(checkSrt(service));
  const describe = () => (isSpoken(service) ? { srtUrl: config.node.srtUrl || service.url, srtSecret } : undefined);
  return { service, describe };
}

/**
 * Who goes without SRT, by its settings or for want of the library, can do its work all the same. So can who lost its
 * thread: what it plays by HLS and WHEP is not to be taken out of a load balancer for that.
 */
export function checkSrt(service: Pick<SrtService, "fault">): ReadinessCheck {
  return { name: "srt", decides: false, check: () => (isLost(service) ? "SRT_THREAD_LOST" : undefined) };
}

/** What is lost comes back at the same address in a moment, and balancers hear of it only when a session begins. */
export function isSpoken(service: Pick<SrtService, "fault">): boolean {
  return service.fault === undefined || isLost(service);
}

function isLost({ fault }: Pick<SrtService, "fault">): boolean {
  return fault?.code === "SRT_THREAD_LOST";
}
