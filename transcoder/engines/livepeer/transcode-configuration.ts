import type { ResolvedRung } from "../../ladder.ts";

/**
 * What a gateway is asked for, as its header `Livepeer-Transcode-Configuration` wants it: every picture (`fps` 0), none
 * that refers to later ones, and no key frame but the first and those that the encoder finds by itself.
 */
export function writeConfiguration(rungs: readonly ResolvedRung[]): string {
  const profiles = rungs.map(({ name, width, height, videoBitrate }) => ({
    name,
    width,
    height,
    bitrate: videoBitrate,
    fps: 0,
    fpsDen: 1,
    profile: "H264ConstrainedHigh",
    encoder: "H.264",
  }));
  return JSON.stringify({ profiles });
}
