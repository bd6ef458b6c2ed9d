/** Codecs that travel through Leat as video. HEVC and AV1 appear where a node can encode them. */
export type VideoCodec = "h264" | "hevc" | "vp9" | "av1";
export type AudioCodec = "aac" | "opus";

/** Ticks a second of every video track's dts, pts and duration. */
export const VIDEO_TIMESCALE = 90_000;

/**
 * What a decoder needs before the first video frame. A change makes a new configuration version.
 * H.264 and HEVC frames are length-prefixed (4 bytes) NAL units as in MP4; VP9 frames are raw (superframes whole); AV1
 * frames are temporal units without delimiters, every OBU with its size.
 */
export interface VideoConfig {
  readonly kind: "video";
  readonly codec: VideoCodec;
  readonly timescale: typeof VIDEO_TIMESCALE;
  readonly width: number;
  readonly height: number;
  /** The body of the MP4 configuration box: avcC, hvcC, vpcC (with its 4 version and flag bytes) or av1C. */
  readonly description: Uint8Array;
  /** RFC 6381, taken from the bitstream: `avc1.64001f`, `vp09.00.10.08`. */
  readonly codecString: string;
}

/** What a decoder needs before the first audio frame. */
export interface AudioConfig {
  readonly kind: "audio";
  readonly codec: AudioCodec;
  /** Equals `sampleRate`: audio timestamps count samples. Opus is always 48,000. */
  readonly timescale: number;
  readonly sampleRate: number;
  readonly channels: number;
  /** AAC: AudioSpecificConfig. Opus: the body of the dOps box. */
  readonly description: Uint8Array;
  /** RFC 6381: `mp4a.40.2`, `opus`. */
  readonly codecString: string;
}

export type TrackConfig = VideoConfig | AudioConfig;

/** What a source may bring its pictures in: VP8 travels to transcoders, and no further. */
export type SourceVideoCodec = VideoCodec | "vp8";

/** As `VideoConfig`. VP8: frames are raw, and there is no description. */
export interface SourceVideoConfig extends Omit<VideoConfig, "codec"> {
  readonly codec: SourceVideoCodec;
}

/** What a source may bring its sound in: G.711 is encoded anew where it comes in, and travels no further. */
export type SourceAudioCodec = AudioCodec | "pcma" | "pcmu";

/** As `AudioConfig`. G.711: a byte is a sample of a channel, and there is no description. */
export interface SourceAudioConfig extends Omit<AudioConfig, "codec"> {
  readonly codec: SourceAudioCodec;
}

export type SourceConfig = SourceVideoConfig | SourceAudioConfig;

/** Whether it travels as it is. */
export function isTrackConfig(config: SourceConfig): config is TrackConfig {
  return config.codec !== "pcma" && config.codec !== "pcmu" && config.codec !== "vp8";
}

/** Whether a decoder set up for one can go on with the other. */
export function isSameConfig(left: SourceConfig, right: SourceConfig): boolean {
  const sides = ({ kind, codec, timescale }: SourceConfig) => `${kind} ${codec} ${timescale}`;
  const shape = (config: SourceConfig) =>
    config.kind === "video" ? `${config.width}x${config.height}` : `${config.sampleRate} ${config.channels}`;
  const [first, second] = [left.description, right.description];
  return (
    sides(left) === sides(right) &&
    shape(left) === shape(right) &&
    first.length === second.length &&
    first.every((byte, index) => byte === second[index])
  );
}

/**
 * One coded picture or audio packet. The same frame, on every node, gives the same packaged bytes.
 * Timestamps are integers in the track's timescale, from the start of the epoch's own clock; they never go back within
 * an epoch (dts strictly rises, pts is unique). A jump, wrap or reconnect opens a new epoch.
 */
export interface Frame {
  readonly kind: "video" | "audio";
  readonly epoch: number;
  readonly dts: number;
  readonly pts: number;
  readonly duration: number;
  readonly key: boolean;
  /** Rises when the track's configuration changes. */
  readonly configVersion: number;
  /** Wall clock of the ingest node when the frame arrived, milliseconds since 1970. */
  readonly arrivalMs: number;
  readonly data: Uint8Array;
  /**
   * What the publisher says of a time near it. Packets of sound carry them, from the origin on, and of a stream without
   * sound the source's own pictures; no frame to or from a transcoder does.
   */
  readonly tags?: readonly TimedTag[];
}

/** Bytes that its sender chose: what is counted where a sender may make us hold so much. */
export function frameSize({ data, tags = [] }: Pick<Frame, "data" | "tags">): number {
  return tags.reduce((sum, { tag }) => sum + tag.length, data.length);
}

/** Timed metadata of a publisher. */
export interface TimedTag {
  /** When, in the ticks of the frame that carries it; one of its own. */
  readonly pts: number;
  /** A whole ID3 tag, of version 2. */
  readonly tag: Uint8Array;
}

/**
 * The start of a segment, set by the ingest node alone: video frames of `epoch` with pts >= `pts` belong to segment
 * `sequence` (until the next boundary). Announced in the frame stream before the first frame it covers, and greater
 * than every pts announced before it in that epoch.
 */
export interface Boundary {
  /** Segment number, rising by one for the life of the stream, across epochs, reconnects and ingest nodes. */
  readonly sequence: number;
  readonly epoch: number;
  readonly pts: number;
  /** No source key frame stands here: encoded rungs are cut all the same, a passthrough rung is withdrawn. */
  readonly forced: boolean;
  /** The segment does not follow its predecessor's clock: EXT-X-DISCONTINUITY. */
  readonly discontinuity: boolean;
  /** Index of the first video frame of the segment, in presentation order, since the stream began. */
  readonly firstFrame: number;
}
