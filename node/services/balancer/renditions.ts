import {
  type JobRung,
  type LadderRequest,
  type PriceUnit,
  pixelUnits,
  type SourceSummary,
} from "@leat/sdk/protocol/job.ts";
import {
  AAC_RUNG,
  type Family,
  OPUS_RUNG,
  type RenditionInfo,
  SOURCE_NAME,
  SOURCE_RUNG,
} from "@leat/sdk/protocol/stream.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";
import { type Ladder, liveSound, parseLadder, resolveLadder } from "@leat/transcoder/ladder.ts";
import { BalancerError } from "./errors.ts";

/** What a source becomes. */
export interface RenditionPlan {
  readonly renditions: readonly RenditionInfo[];
  readonly families: ReadonlyMap<Family, readonly JobRung[]>;
}

/** What a buyer asked for, whatever will come in. */
export interface WantedRenditions {
  readonly ladder: LadderRequest;
  /** The picture as it comes in, too. */
  readonly passthrough: boolean;
}

/** Of a source that nobody has seen yet. */
const USUAL_SOURCE_BITRATE = 6_000_000;
/** What live encoders take: a guess that stands until segments are there to be measured. */
const SOURCE_BITS_PER_PIXEL = 0.1;
const USUAL_FPS = 30;
/** Where no rung says it. */
const SOUND_BITRATE = 128_000;

/**
 * The ladder for one source: rungs numbered from 1 in the ladder's order, the source itself behind them where it is
 * wanted, and its sound in AAC and in Opus. @throws LADDER_RUNGS_TOO_SMALL, STREAM_LADDER_MISSING where nothing is left
 */
export function planRenditions(wanted: WantedRenditions, source: SourceSummary): RenditionPlan {
  const { ladder, passthrough } = wanted;
  const own = passthrough && source.video !== undefined ? sourceRendition(source.video) : undefined;
  const rungs = source.video === undefined ? [] : resolveRungs(ladder, source.video, own !== undefined);
  if (source.video !== undefined && rungs.length === 0 && own === undefined) {
    throw new BalancerError({ code: "STREAM_LADDER_MISSING", codec: source.video.codec });
  }
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
  if (own !== undefined) video.push(own);
  if (source.audio === undefined) return { renditions: video, families };
  const named = source.video === undefined ? ladder : rungs;
  const audio = liveSound(named.length > 0 ? named : [{ codec: "h264", audioBitrate: SOUND_BITRATE }]).map(
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

/** None where all are too small for their encoders and the source itself is delivered. @throws LADDER_RUNGS_TOO_SMALL */
function resolveRungs(
  ladder: LadderRequest,
  source: NonNullable<SourceSummary["video"]>,
  isPassedThrough: boolean,
): JobRung[] {
  const { width, height, fps } = source;
  try {
    const shape = { width, height, ...(fps === undefined ? {} : { fps }) };
    const { rungs } = resolveLadder(ladder as Ladder, shape);
    return rungs.map((rung, index): JobRung => ({ rung: index + 1, ...rung }));
  } catch (error) {
    const isTooSmall = error instanceof TranscodeError && error.code === "LADDER_RUNGS_TOO_SMALL";
    if (isTooSmall && isPassedThrough) return [];
    throw error;
  }
}

/** None of VP8, which is packaged for no player. */
function sourceRendition({
  codec,
  width,
  height,
  fps = USUAL_FPS,
}: NonNullable<SourceSummary["video"]>): RenditionInfo | undefined {
  if (codec === "vp8") return undefined;
  const bitrate = Math.ceil(width * height * fps * SOURCE_BITS_PER_PIXEL);
  return { rung: SOURCE_RUNG, name: SOURCE_NAME, kind: "video", codec, family: codec, width, height, bitrate };
}

/** Throws a coded error for what no source could become. */
export function checkWanted({ ladder, passthrough }: WantedRenditions): void {
  if (!passthrough || ladder.length > 0) parseLadder(ladder);
  if (passthrough && ladder.some(({ name }) => name === SOURCE_NAME)) {
    throw new BalancerError({ code: "STREAM_LADDER_INVALID", reason: `${SOURCE_NAME} is the picture as it comes in` });
  }
}

/** Units that a stream of this ladder is paid in. */
export function unitsOf(ladder: LadderRequest): PriceUnit[] {
  return ["ingestMs", ...new Set(ladder.map(({ codec }) => pixelUnits[codec])), "deliveredByte"];
}

/** A guess before the source is known: pictures of 16:9 at 30 frames a second. */
export function guessUnitsPerSecond({ ladder, passthrough }: WantedRenditions): ReadonlyMap<PriceUnit, bigint> {
  const units = new Map<PriceUnit, bigint>([["ingestMs", 1_000n]]);
  let bits = passthrough ? USUAL_SOURCE_BITRATE : 0;
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
