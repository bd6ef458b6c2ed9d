import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Prices, PriceUnit } from "@leat/sdk/protocol/job.ts";
import { costExact } from "@leat/sdk/protocol/units.ts";
import { type Ladder, resolveLadder } from "@leat/transcoder/ladder.ts";
import { StoredJobError } from "./errors.ts";

/** What a client says of its source before it sends it: what the price is computed from, and the most that is done. */
export interface DeclaredSource {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly seconds: number;
}

export interface PricedJob {
  readonly pixels: bigint;
  /** 10^-30 of a whole token. */
  readonly costExact: bigint;
}

const units: Readonly<Record<VideoCodec, PriceUnit>> = {
  h264: "pixelH264",
  hevc: "pixelHevc",
  vp9: "pixelVp9",
  av1: "pixelAv1",
};

/**
 * The most that a job can cost: every pixel that its rungs have for the declared source. One second of 1280x720 at 30
 * frames into 640x360: 31 frames (a source may begin and end inside one) of 230,400 pixels.
 */
export function priceJob(source: DeclaredSource, ladder: Ladder, prices: Prices): PricedJob {
  const rungs = resolveLadder(ladder, source).rungs.map(({ codec, width, height, fps = source.fps }) => ({
    codec,
    pixels: BigInt(width * height) * BigInt(Math.ceil(source.seconds * fps) + 1),
  }));
  return {
    pixels: rungs.reduce((sum, { pixels }) => sum + pixels, 0n),
    costExact: rungs.reduce((sum, { codec, pixels }) => sum + pixelCost(codec, pixels, prices), 0n),
  };
}

/** @throws STORED_JOB_CODEC_UNSOLD */
export function pixelCost(codec: string, pixels: bigint, prices: Prices): bigint {
  const unit = units[codec as VideoCodec] as PriceUnit | undefined;
  const price = unit === undefined ? undefined : prices[unit];
  if (price === undefined) throw new StoredJobError({ code: "STORED_JOB_CODEC_UNSOLD", codec });
  return costExact(price, pixels);
}
