import { findPictureFault } from "@leat/node/media/verification/pictures.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { BegunSegment, MadeFrame } from "./made-range.ts";

/** The next picture of one rung. */
export interface Head {
  readonly rung: number;
  readonly made: MadeFrame;
}

/** What can be told from a first picture alone; all the rest is the receipt's. */
export function isGoodFirst(
  { rung, made: { frame, config } }: Head,
  { boundary }: BegunSegment,
  renditions: readonly RenditionInfo[],
): boolean {
  const rendition = renditions.find((item) => item.rung === rung)!;
  if (!frame.key || frame.epoch !== boundary.epoch || config.codec !== rendition.codec) return false;
  const size = { width: rendition.width ?? config.width, height: rendition.height ?? config.height };
  try {
    return findPictureFault(config, [frame], size) === undefined;
  } catch {
    return false;
  }
}
