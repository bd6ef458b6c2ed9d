import { createHash } from "node:crypto";
import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { srtAddress } from "../../media-io/srt/passphrase.ts";
import type { Hello } from "../../wire/session/presence.ts";

export const ingestProtocols = ["rtmp", "whip", "push", "srt"] as const;

/** One way into a node. What publishes is in the address: the key, or for SRT a passphrase made of it. */
export interface IngestWay {
  readonly protocol: (typeof ingestProtocols)[number];
  readonly url: string;
}

/** As far as the node offers them; none of a node that is not in session. */
export function listWays(hello: Hello | undefined, streamKey: string): IngestWay[] {
  if (hello === undefined) return [];
  const { rtmpUrl, whipUrl, pushUrl, srtUrl, srtSecret } = hello;
  const keyed = { rtmp: rtmpUrl, whip: whipUrl, push: pushUrl } as const;
  return ingestProtocols.flatMap((protocol): IngestWay[] => {
    if (protocol === "srt") {
      if (srtUrl === undefined || srtSecret === undefined) return [];
      return [{ protocol, url: srtAddress(srtUrl, srtSecret, hashKey(streamKey)) }];
    }
    const base = keyed[protocol];
    return base === undefined ? [] : [{ protocol, url: `${base.replace(/\/$/, "")}/${streamKey}` }];
  });
}

/** As the ingest node hashes what a publisher sends. */
export function hashKey(streamKey: string): Hex {
  return bytesToHex(createHash("sha256").update(streamKey).digest());
}
