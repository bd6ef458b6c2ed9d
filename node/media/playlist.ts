/** HLS playlists as text. Names of files: `index.m3u8`, `init-<version>.mp4`, `<sequence>.m4s`, below the rung's name. */

/** EXT-X-MAP outside of I-frame playlists needs 6; fMP4 with EXT-X-GAP is read by everything that knows 7. */
const HLS_VERSION = 7;

export interface PlaylistSegment {
  readonly sequence: number;
  readonly epoch: number;
  readonly configVersion: number;
  readonly durationS: number;
  /** When its first picture was taken in, milliseconds since 1970. */
  readonly wallClockMs: number;
  /** This rung never got it: EXT-X-GAP. */
  readonly gap: boolean;
}

export interface MediaPlaylist {
  /** Consecutive sequences, oldest first, at least one. */
  readonly segments: readonly PlaylistSegment[];
  readonly targetDurationS: number;
  /** `event`: nothing is ever removed. */
  readonly type: "live" | "event";
  readonly ended: boolean;
}

export interface MasterVideo {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly codecString: string;
  /** Bits per second, peak of any segment, and mean. */
  readonly peakBitrate: number;
  readonly averageBitrate: number;
  readonly frameRate?: number;
  /** Name of the audio rung that plays beside it. */
  readonly audio?: string;
}

export interface MasterAudio {
  readonly name: string;
  readonly codecString: string;
  readonly channels: number;
  readonly peakBitrate: number;
  readonly averageBitrate: number;
}

/** Variants are listed as given: the first is what a player starts with. Without a picture the sounds are the variants. */
export function writeMasterPlaylist(videos: readonly MasterVideo[], audios: readonly MasterAudio[]): string {
  const lines = ["#EXTM3U", `#EXT-X-VERSION:${HLS_VERSION}`, "#EXT-X-INDEPENDENT-SEGMENTS"];
  if (videos.length === 0) return `${[...lines, ...audios.flatMap(listSound)].join("\n")}\n`;
  for (const audio of audios) {
    lines.push(
      `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="${audio.name}",NAME="${audio.name}",DEFAULT=YES,AUTOSELECT=YES,` +
        `CHANNELS="${audio.channels}",URI="${audio.name}/index.m3u8"`,
    );
  }
  for (const video of videos) {
    const audio = audios.find((item) => item.name === video.audio);
    const codecs = audio === undefined ? video.codecString : `${video.codecString},${audio.codecString}`;
    const attributes = [
      `BANDWIDTH=${Math.ceil(video.peakBitrate + (audio?.peakBitrate ?? 0))}`,
      `AVERAGE-BANDWIDTH=${Math.ceil(video.averageBitrate + (audio?.averageBitrate ?? 0))}`,
      `RESOLUTION=${video.width}x${video.height}`,
      `CODECS="${codecs}"`,
    ];
    if (video.frameRate !== undefined) attributes.push(`FRAME-RATE=${video.frameRate.toFixed(3)}`);
    if (audio !== undefined) attributes.push(`AUDIO="${audio.name}"`);
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(",")}`, `${video.name}/index.m3u8`);
  }
  return `${lines.join("\n")}\n`;
}

function listSound({ name, codecString, peakBitrate, averageBitrate }: MasterAudio): string[] {
  const rates = `BANDWIDTH=${Math.ceil(peakBitrate)},AVERAGE-BANDWIDTH=${Math.ceil(averageBitrate)}`;
  return [`#EXT-X-STREAM-INF:${rates},CODECS="${codecString}"`, `${name}/index.m3u8`];
}

/**
 * The discontinuity sequence is the first segment's epoch, and a discontinuity stands where the epoch changes: so every
 * edge and every rung counts them alike, also one that joined late.
 */
export function writeMediaPlaylist({ segments, targetDurationS, type, ended }: MediaPlaylist): string {
  const first = segments[0]!;
  const lines = [
    "#EXTM3U",
    `#EXT-X-VERSION:${HLS_VERSION}`,
    `#EXT-X-TARGETDURATION:${targetDurationS}`,
    `#EXT-X-MEDIA-SEQUENCE:${first.sequence}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${first.epoch}`,
    "#EXT-X-INDEPENDENT-SEGMENTS",
  ];
  if (type === "event") lines.push("#EXT-X-PLAYLIST-TYPE:EVENT");
  let epoch = first.epoch;
  let configVersion: number | undefined;
  for (const segment of segments) {
    // An epoch that a rung has no segment of still counts: one tag for each that passed.
    for (; epoch < segment.epoch; epoch += 1) lines.push("#EXT-X-DISCONTINUITY");
    if (segment.configVersion !== configVersion) {
      configVersion = segment.configVersion;
      lines.push(`#EXT-X-MAP:URI="init-${configVersion}.mp4"`);
    }
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.wallClockMs).toISOString()}`);
    if (segment.gap) lines.push("#EXT-X-GAP");
    // A player may refuse a segment that rounds above the target; only a broken source makes one.
    const durationS = Math.min(segment.durationS, targetDurationS + 0.499);
    lines.push(`#EXTINF:${durationS.toFixed(5)},`, `${segment.sequence}.m4s`);
  }
  if (ended) lines.push("#EXT-X-ENDLIST");
  return `${lines.join("\n")}\n`;
}
