import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { audioCodecOf, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { PlayoutError } from "./errors.ts";

/** Rungs by number. At least one is there. */
export interface ChosenTracks {
  readonly video: number | undefined;
  readonly audio: number | undefined;
}

/** The best known first: what every player shows, then what newer ones do. */
const codecs: readonly TrackConfig["codec"][] = ["h264", "hevc", "vp9", "av1"];

/**
 * The rung of that name, or the largest of the best known codec, with the sound that goes with it. A name of a sound
 * gives that alone. @throws PLAYOUT_RUNG_UNKNOWN, PLAYOUT_CODEC_UNSUPPORTED
 */
export function chooseTracks(
  renditions: readonly RenditionInfo[],
  name: string | undefined,
  isCarried: (codec: TrackConfig["codec"]) => boolean,
): ChosenTracks {
  const named = renditions.find((one) => one.name === name);
  if (name !== undefined && named === undefined) throw new PlayoutError({ code: "PLAYOUT_RUNG_UNKNOWN" });
  if (named !== undefined && !isCarried(named.codec)) {
    throw new PlayoutError({ code: "PLAYOUT_CODEC_UNSUPPORTED", codec: named.codec });
  }
  const carried = renditions.filter(({ codec }) => isCarried(codec));
  const video = named ?? largest(carried);
  if (video === undefined && renditions.some(({ kind }) => kind === "video")) {
    throw new PlayoutError({ code: "PLAYOUT_CODEC_UNSUPPORTED", codec: renditions[0]!.codec });
  }
  if (video?.kind === "audio") return { video: undefined, audio: video.rung };
  const sounds = carried.filter(({ kind }) => kind === "audio");
  const wanted = audioCodecOf(video?.family ?? "h264");
  const audio = sounds.find(({ codec }) => codec === wanted) ?? sounds[0];
  if (video === undefined && audio === undefined) throw new PlayoutError({ code: "PLAYOUT_RUNG_UNKNOWN" });
  return { video: video?.rung, audio: audio?.rung };
}

function largest(renditions: readonly RenditionInfo[]): RenditionInfo | undefined {
  const sizeOf = ({ width = 0, height = 0 }: RenditionInfo) => width * height;
  const rank = ({ codec }: RenditionInfo) => codecs.indexOf(codec);
  return renditions
    .filter(({ kind }) => kind === "video")
    .toSorted((left, right) => rank(left) - rank(right) || sizeOf(right) - sizeOf(left))[0];
}
