import type { VideoCodec } from "./frame.ts";
import type { LadderRequest } from "./job.ts";

/** Short side, and bits per second of the picture in H.264 and of its sound. Of those that become one size the first stays. */
const sizes = [
  [240, 400_000, 96_000],
  [360, 800_000, 96_000],
  [480, 1_400_000, 128_000],
  [720, 2_800_000, 128_000],
  [1080, 5_000_000, 128_000],
] as const;
/** Bits that a codec takes for what takes ten in H.264. */
const bitsForTen: Readonly<Record<VideoCodec, number>> = { h264: 10, hevc: 7, vp9: 7, av1: 6 };
const codecs = Object.keys(bitsForTen) as VideoCodec[];

/** One codec or several, joined by "+": `h264`, `h264+vp9`. */
export const ladderNamePattern = `^(${codecs.join("|")})(\\+(${codecs.join("|")})){0,3}$`;

/** The ladder that a name stands for: of each of its codecs the usual sizes up to 1080 lines, without those above the source. */
export function findNamedLadder(name: string): LadderRequest | undefined {
  if (!new RegExp(ladderNamePattern).test(name)) return undefined;
  const named = new Set(name.split("+") as VideoCodec[]);
  return [...named].flatMap((codec) =>
    sizes.map(([height, bitrate, audioBitrate]) => ({
      name: codec === "h264" ? `${height}p` : `${height}p-${codec}`,
      codec,
      height,
      videoBitrate: (bitrate * bitsForTen[codec]) / 10,
      audioBitrate,
    })),
  );
}
