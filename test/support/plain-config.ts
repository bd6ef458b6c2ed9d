import type { VideoConfig } from "../../sdk/protocol/frame.ts";

/** Of pictures that nobody decodes. */
export const plainConfig: VideoConfig = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 64,
  height: 48,
  description: new Uint8Array(7),
  codecString: "avc1.64000a",
};
