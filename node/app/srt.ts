import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { deriveSrtSecret } from "../media-io/srt/passphrase.ts";
import { SrtService } from "../media-io/srt/srt-service.ts";
import type { Ingest } from "../services/ingest/ingest-service.ts";
import type { Foundation } from "./foundation.ts";

export interface SrtHello {
  readonly srtUrl: string;
  readonly srtSecret: Hex;
}

/** Adds SRT to a node that takes streams in; gives what its balancers are told of it, which is nothing where it is off. */
export function addSrt(foundation: Foundation, ingest: Ingest): () => SrtHello | undefined {
  const { config, key, logger, metrics, parts } = foundation;
  const srtSecret = deriveSrtSecret(key.secret);
  const service = new SrtService(
    {
      // A hash is believed: libsrt let in only who has its passphrase.
      authorize: (target, info) =>
        target.type === "key" ? ingest.authorize(target.key, info) : ingest.authorizeHash(target.keyHash, info),
      secret: srtSecret,
      logger,
      metrics,
    },
    config.srt,
  );
  parts.push({ name: "srt", part: service });
  return () => (service.fault === undefined ? { srtUrl: config.node.srtUrl || service.url, srtSecret } : undefined);
}
