import type { SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import { canonicalText } from "@leat/sdk/protocol/canonical.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { sha256 } from "./packed-segment.ts";

/**
 * What a segment's running hash begins with: SHA-256 over the canonical text of its start and its configuration, byte
 * strings as hex. So the origin's signature under the first part covers them too, and a node in between that moves a
 * clock, a cue or a configuration is found like one that alters a byte.
 */
export function hashHead({ type: _, cues = [], ...start }: SegmentStartMessage, config: TrackConfig): Uint8Array {
  const head = {
    ...start,
    cues: cues.map(({ atMs, command }) => ({ atMs, command: bytesToHex(command) })),
    config: { ...config, description: bytesToHex(config.description) },
  };
  return sha256(new TextEncoder().encode(canonicalText(head)));
}
