import type { Logger } from "@leat/sdk/base/logger.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import { TsDemuxer } from "@leat/transcoder/mpegts/demuxer.ts";
import { PullError } from "./errors.ts";

/** What a source gives, as it comes. Ends where the source is over for good; throws a CodedError where it is lost. */
export type PulledMedia = AsyncGenerator<readonly DemuxedItem[], void>;

/**
 * A transport stream out of pieces.
 * @param isWhole Whether the source said how long it is: then its end is the end. A live one that ends is lost.
 */
export async function* readTransportStream(
  pieces: AsyncIterable<Uint8Array>,
  { isWhole, logger }: { readonly isWhole: boolean; readonly logger: Logger },
): PulledMedia {
  const demuxer = createDemuxer(logger);
  for await (const piece of pieces) yield demuxer.push(piece);
  yield demuxer.end();
  if (!isWhole) throw new PullError({ code: "PULL_SOURCE_LOST" });
}

export function createDemuxer(logger: Logger): TsDemuxer {
  return new TsDemuxer(({ kind, pid }) => {
    if (kind !== "data") logger.warn("Ignore further tracks of source", { kind, pid });
  });
}
