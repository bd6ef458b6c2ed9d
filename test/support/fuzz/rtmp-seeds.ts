import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { encodeFragmented } from "../media/ffmpeg.ts";
import { readTrack } from "../media/mp4-reader.ts";

/** One message of a publisher, its body as an RTMP message holds it. */
export interface SeedMessage {
  readonly kind: "video" | "audio";
  readonly timestamp: number;
  readonly body: Uint8Array;
}

export interface RtmpSeeds {
  /** By codec: a configuration record and frames behind it. */
  readonly records: readonly { readonly codec: string; readonly record: Uint8Array; readonly frames: Uint8Array[] }[];
  /** What publishers send, in order. */
  readonly streams: readonly (readonly SeedMessage[])[];
  readonly commands: readonly Uint8Array[];
}

const OPUS_HEAD = Uint8Array.from([...Buffer.from("OpusHead"), 1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0]);
const AAC_CONFIG = Uint8Array.of(0x12, 0x10);

const pictures = ["-f", "lavfi", "-i", "testsrc2=size=80x64:rate=25:duration=0.32"];
const encoders = [
  ["avc1", ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "4"]],
  ["hvc1", ["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=none:keyint=4"]],
  ["vp09", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "4"]],
  ["av01", ["-c:v", "libsvtav1", "-preset", "12", "-g", "4"]],
] as const;

/** Real encoders' output, a few frames of each codec, in every kind of tag that carries it. */
export async function makeRtmpSeeds(): Promise<RtmpSeeds> {
  const tracks = await Promise.all(
    encoders.map(async ([codec, flags]) => {
      const { config, frames } = readTrack(await encodeFragmented(pictures, [...flags, "-pix_fmt", "yuv420p"]));
      return { codec, record: recordOf(config), frames: frames.map(({ data }) => data) };
    }),
  );
  const opus = {
    codec: "Opus",
    record: OPUS_HEAD,
    frames: [Uint8Array.of(0xfc, 0xff, 0xfe), Uint8Array.of(0xfb, 3, 9)],
  };
  const aac = {
    codec: "mp4a",
    record: AAC_CONFIG,
    frames: [Uint8Array.of(0x21, 0x10, 4), Uint8Array.of(0x21, 0x10, 5)],
  };
  const streams = tracks.map(({ codec, record, frames }) => enhancedVideo(codec, record, frames));
  const [avc] = tracks;
  return {
    records: [...tracks, opus, aac],
    streams: [
      ...streams,
      oldVideo(avc!.record, avc!.frames),
      enhancedAudio("Opus", OPUS_HEAD, opus.frames),
      enhancedAudio("mp4a", AAC_CONFIG, aac.frames),
      [...oldAudio(0, AAC_CONFIG), ...aac.frames.flatMap((frame) => oldAudio(1, frame))],
      // From one codec to the next.
      [...streams[0]!.slice(0, 3), ...streams[2]!.slice(0, 3), ...streams[3]!.slice(0, 3), ...streams[1]!.slice(0, 3)],
    ],
    commands: [
      [
        "connect",
        1,
        new Map([
          ["app", "live"],
          ["tcUrl", "rtmp://127.0.0.1/live"],
        ]),
      ],
      [
        "connect",
        1,
        new Map<string, string | string[]>([
          ["app", "live"],
          ["fourCcList", ["av01", "hvc1"]],
        ]),
      ],
      ["releaseStream", 2, null, "key"],
      ["createStream", 4, null],
      ["publish", 5, null, "key", "live"],
      [
        "@setDataFrame",
        "onMetaData",
        new Map<string, number | boolean>([
          ["width", 64],
          ["stereo", true],
        ]),
      ],
      ["deleteStream", 6, null, 1, undefined, [1, [2, ["three"]]]],
      [nest(6, (inner) => new Map([["a", inner]]))],
      [nest(6, (inner) => [inner])],
    ].map((values) => encodeAmf(values as never)),
  };
}

function nest(depth: number, wrap: (inner: unknown) => unknown): unknown {
  return depth === 0 ? null : wrap(nest(depth - 1, wrap));
}

function recordOf(config: TrackConfig): Uint8Array {
  return Uint8Array.from(config.description);
}

function oldVideo(record: Uint8Array, frames: readonly Uint8Array[]): SeedMessage[] {
  return [
    message("video", 0, [0x17, 0, 0, 0, 0], record),
    ...frames.map((frame, index) => message("video", index * 40, [index === 0 ? 0x17 : 0x27, 1, 0, 0, 80], frame)),
    message("video", 400, [0x17, 2, 0, 0, 0], new Uint8Array(0)),
  ];
}

function oldAudio(type: number, data: Uint8Array): SeedMessage[] {
  return [message("audio", 0, [0xaf, type], data)];
}

/** The heads that frames may have: with and without a composition time, with nanoseconds, as one track of several. */
function enhancedVideo(codec: string, record: Uint8Array, frames: readonly Uint8Array[]): SeedMessage[] {
  const letters = [...Buffer.from(codec)];
  const timed = codec === "avc1" || codec === "hvc1" ? [0, 0, 40] : [];
  return [
    message("video", 0, [0x90, ...letters], record),
    message("video", 0, [0x94, ...letters], encodeAmf(["colorInfo", new Map([["matrix", 1]])])),
    ...frames.map((frame, index) => {
      const size = [frame.length >> 16, (frame.length >> 8) & 0xff, frame.length & 0xff];
      const heads = [
        [0x91, ...letters, ...timed],
        [0xa3, ...letters],
        [0xa7, 2, 0x01, 0x86, 0xa0, 0x03, ...letters],
        [0xa6, 0x03, ...letters, 0],
        [0xa6, 0x13, ...letters, 0, ...size],
        [0xa6, 0x23, ...letters, 0, ...size],
      ];
      return message("video", index * 40, heads[index % heads.length]!, frame);
    }),
    message("video", 400, [0x92, ...letters], new Uint8Array(0)),
  ];
}

function enhancedAudio(codec: string, record: Uint8Array, frames: readonly Uint8Array[]): SeedMessage[] {
  const letters = [...Buffer.from(codec)];
  const heads = [
    [0x91, ...letters],
    [0x97, 2, 0x01, 0x86, 0xa0, 0x01, ...letters],
    [0x95, 0x01, ...letters, 0],
  ];
  return [
    message("audio", 0, [0x90, ...letters], record),
    ...frames.flatMap((frame, index) => heads.map((head) => message("audio", index * 20, head, frame))),
  ];
}

function message(kind: SeedMessage["kind"], timestamp: number, head: readonly number[], data: Uint8Array): SeedMessage {
  return { kind, timestamp, body: Uint8Array.from([...head, ...data]) };
}
