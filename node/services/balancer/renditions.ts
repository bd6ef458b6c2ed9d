import {
  type JobRung,
  type LadderRequest,
  type PriceUnit,
  pixelUnits,
  type SourceSummary,
} from "@leat/sdk/protocol/job.ts";
import { AAC_RUNG, type Family, OPUS_RUNG, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { type Ladder, liveSound, parseLadder, resolveLadder } from "@leat/transcoder/ladder.ts";

/** What a source becomes. */
export interface RenditionPlan {
  readonly renditions: readonly RenditionInfo[];
  readonly families: ReadonlyMap<Family, readonly JobRung[]>;
}

/**
 * The ladder for one source: rungs numbered from 1 in the ladder's order, and its sound in AAC and in Opus.
 */
export function planRenditions(ladder: LadderRequest, source: SourceSummary): RenditionPlan {
  const rungs = source.video === undefined ? [] : resolveRungs(ladder, source.video);
  const families = new Map<Family, JobRung[]>();
  for (const rung of rungs) families.set(rung.codec, [...(families.get(rung.codec) ?? []), rung]);
  const video = rungs.map(
    (rung): RenditionInfo => ({
      rung: rung.rung,
      name: rung.name,
      kind: "video",
      codec: rung.codec,
      family: rung.codec,
      width: rung.width,
      height: rung.height,
      bitrate: rung.videoBitrate,
    }),
  );
  if (source.audio === undefined) return { renditions: video, families };
  const audio = liveSound(source.video === undefined ? ladder : rungs).map(
    ({ codec, bitrate }): RenditionInfo => ({
      rung: codec === "aac" ? AAC_RUNG : OPUS_RUNG,
      name: `audio-${codec}`,
      kind: "audio",
      codec,
      bitrate,
    }),
  );
  return { renditions: [...video, ...audio], families };
}

function resolveRungs(ladder: LadderRequest, source: NonNullable<SourceSummary["video"]>): JobRung[] {
  const { width, height, fps } = source;
  const { rungs } = resolveLadder(ladder as Ladder, { width, height, ...(fps === undefined ? {} : { fps }) });
  return rungs.map((rung, index): JobRung => ({ rung: index + 1, ...rung }));
}

/** Throws a coded error for a ladder that no source could use. */
export function checkLadder(ladder: LadderRequest): void {
  parseLadder(ladder);
}

/** Units that a stream of this ladder is paid in. */
export function unitsOf(ladder: LadderRequest): PriceUnit[] {
  return ["ingestMs", ...new Set(ladder.map(({ codec }) => pixelUnits[codec])), "deliveredByte"];
}

/** A guess before the source is known: pictures of 16:9 at 30 frames a second. */
export function guessUnitsPerSecond(ladder: LadderRequest): ReadonlyMap<PriceUnit, bigint> {
  const units = new Map<PriceUnit, bigint>([["ingestMs", 1_000n]]);
  let bits = 0;
  for (const { codec, height, fps, videoBitrate } of ladder) {
    const pixels = BigInt(Math.ceil(((height * height * 16) / 9) * (fps ?? 30)));
    units.set(pixelUnits[codec], (units.get(pixelUnits[codec]) ?? 0n) + pixels);
    bits += videoBitrate;
  }
  units.set("deliveredByte", BigInt(Math.ceil(bits / 8)));
  return units;
}

/** Bytes a second of one viewer of everything. */
export function bytesPerSecond(renditions: readonly RenditionInfo[]): number {
  return Math.ceil(renditions.reduce((sum, { bitrate }) => sum + bitrate, 0) / 8);
}
