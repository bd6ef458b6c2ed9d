import { audioCodecOf, type Family, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";

const familyOrder: readonly Family[] = ["h264", "hevc", "vp9", "av1"];

/**
 * What manifests may name: pictures by family in a fixed order, then the sound of each family, each once. Sound that goes
 * with no family of the stream is for WebRTC alone: a player that knows only H.264 and AAC must not meet Opus. Without a
 * picture all sounds may be asked for.
 */
export function findOffered(renditions: readonly RenditionInfo[], family?: Family): RenditionInfo[] {
  if (renditions.every(({ kind }) => kind === "audio")) return [...renditions];
  const families = familyOrder.filter((item) => {
    return (family === undefined || item === family) && renditions.some((info) => info.family === item);
  });
  const offered = families.flatMap((item) => [
    ...renditions.filter((info) => info.family === item),
    ...renditions.filter((info) => info.kind === "audio" && info.codec === audioCodecOf(item)),
  ]);
  return [...new Set(offered)];
}

/** What no manifest names: nobody makes it until somebody follows it. */
export function findOnWish(renditions: readonly RenditionInfo[]): RenditionInfo[] {
  const offered = findOffered(renditions);
  return renditions.filter((info) => !offered.includes(info));
}

/**
 * What of a stream can be offered to players. Undefined until every rung of every family (or of the one asked for) can
 * be played, unless what lacks is clearly late.
 */
export function findPlayable(
  renditions: readonly RenditionInfo[],
  isPlayable: (info: RenditionInfo) => boolean,
  { family, isLate }: { readonly family?: Family | undefined; readonly isLate: boolean },
): RenditionInfo[] | undefined {
  if (renditions.every(({ kind }) => kind === "audio")) return findSound(renditions, isPlayable, family);
  const wanted = findOffered(renditions, family);
  if (!isLate && !wanted.every(isPlayable)) return undefined;
  const playable = wanted.filter(isPlayable);
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
