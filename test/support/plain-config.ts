import type { AudioConfig, VideoConfig } from "../../sdk/protocol/frame.ts";

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

/** The same of sound: plain AAC of two channels. */
export const plainSound: AudioConfig = {
  kind: "audio",
  codec: "aac",
  timescale: 48_000,
  sampleRate: 48_000,
  channels: 2,
  description: Uint8Array.of(0x11, 0x90),
  codecString: "mp4a.40.2",
};
