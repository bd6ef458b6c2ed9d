import type { LiveEngine } from "../engine.ts";
import { TranscodeError } from "../errors.ts";
import { LivepeerVideo, needTs } from "./livepeer/video.ts";

/**
 * A running go-livepeer gateway, whose orchestrator's worker is LPMS. It takes what a transport stream carries, and makes
 * H.264. No picture is concealed: a segment of which one is missing is an error, and no rendition is published.
 */
export const livepeerEngine: LiveEngine = {
  name: "livepeer",
  openVideo(spec, sink) {
    const { source, rungs, gateway } = spec;
    if (gateway === undefined) throw new TranscodeError({ code: "TRANSCODE_GATEWAY_UNSET" });
    const carried = needTs(source);
    const other = rungs.find(({ codec }) => codec !== "h264");
    if (other !== undefined) {
      throw new TranscodeError({ code: "TRANSCODE_ENCODER_MISSING", codec: other.codec, engine: "livepeer" });
    }
    return new LivepeerVideo({ ...spec, source: carried }, gateway, sink);
  },
};
