import { audioCodecOf, type Family, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";

const familyOrder: readonly Family[] = ["h264", "hevc", "vp9", "av1"];

/**
 * What of a stream can be offered to players, pictures by family in a fixed order, then sounds, each once. Undefined
 * until every rung of every family (or of the one asked for) can be played, unless what lacks is clearly late.
 */
export function findPlayable(
  renditions: readonly RenditionInfo[],
  isPlayable: (info: RenditionInfo) => boolean,
  { family, isLate }: { readonly family?: Family | undefined; readonly isLate: boolean },
): RenditionInfo[] | undefined {
  if (renditions.every(({ kind }) => kind === "audio")) return findSound(renditions, isPlayable, family);
  const families = familyOrder.filter((item) => {
    return (family === undefined || item === family) && renditions.some((info) => info.family === item);
  });
  const wanted = new Set(
    families.flatMap((item) => [
      ...renditions.filter((info) => info.family === item),
      ...renditions.filter((info) => info.kind === "audio" && info.codec === audioCodecOf(item)),
    ]),
  );
  if (!isLate && ![...wanted].every(isPlayable)) return undefined;
  const playable = [...wanted].filter(isPlayable);
  return playable.some(({ kind }) => kind === "video") ? playable : undefined;
}

/** Of a stream without a picture: one group, as a player that changes between codecs would stumble. */
function findSound(
  renditions: readonly RenditionInfo[],
  isPlayable: (info: RenditionInfo) => boolean,
  family: Family | undefined,
): RenditionInfo[] | undefined {
  const wanted = family === undefined ? undefined : audioCodecOf(family);
  const info = renditions.find(({ codec }) => wanted === undefined || codec === wanted);
  return info === undefined || !isPlayable(info) ? undefined : [info];
}
