import type { AudioCodec, VideoCodec } from "@leat/sdk/protocol/frame.ts";
import { TranscodeError } from "./errors.ts";

/** One rung as a person writes it. Bit rates are bits per second; `height` is the short side of the picture. */
export interface LadderRung {
  readonly name: string;
  readonly codec: VideoCodec;
  readonly height: number;
  readonly videoBitrate: number;
  readonly audioBitrate: number;
  readonly fps?: number;
}

export type Ladder = readonly LadderRung[];

export interface SourceShape {
  readonly width: number;
  readonly height: number;
  readonly fps?: number;
}

/** A rung with the even size it has for one source. */
export interface ResolvedRung {
  readonly name: string;
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  readonly videoBitrate: number;
  readonly audioBitrate: number;
  readonly fps?: number;
}

export interface DroppedRung {
  readonly name: string;
  readonly reason: string;
}

export interface ResolvedLadder {
  readonly rungs: readonly ResolvedRung[];
  readonly dropped: readonly DroppedRung[];
}

export interface AudioGroup {
  readonly codec: AudioCodec;
  readonly bitrate: number;
}

const VIDEO_CODECS: readonly string[] = ["h264", "hevc", "vp9", "av1"] satisfies readonly VideoCodec[];
/** AAC first: of sound alone players are offered the first group, and all of them play it. */
const LIVE_CODECS: readonly AudioCodec[] = ["aac", "opus"];
const RUNG_KEYS: readonly string[] = ["name", "codec", "height", "videoBitrate", "audioBitrate", "fps"];
/** The largest picture that H.264 level 6.2 allows has a side of 16,384; 8192 is more than any engine here keeps up with. */
const SIDE_LIMIT = 8192;
const RUNGS_LIMIT = 32;
/** Of both sides: libx265 and SVT-AV1 do not open for less. */
const LEAST_SIDES: Readonly<Partial<Record<VideoCodec, number>>> = { hevc: 16, av1: 64 };

/** The ladder in `value`, or a coded error that names the place. Unknown keys are refused: a typo must not be silent. */
export function parseLadder(value: unknown): Ladder {
  if (!Array.isArray(value)) throw invalid("$", "an array of rungs is wanted");
  if (value.length === 0) throw new TranscodeError({ code: "LADDER_EMPTY" });
  if (value.length > RUNGS_LIMIT) throw invalid("$", `at most ${RUNGS_LIMIT} rungs`);
  const names = new Set<string>();
  return value.map((entry: unknown, index) => {
    const rung = parseRung(entry, `$[${index}]`);
    if (names.has(rung.name)) throw new TranscodeError({ code: "LADDER_NAME_DUPLICATE", name: rung.name });
    names.add(rung.name);
    return rung;
  });
}

function parseRung(value: unknown, at: string): LadderRung {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(at, "an object is wanted");
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record)) {
    if (!RUNG_KEYS.includes(key)) throw invalid(`${at}.${key}`, `unknown key; known are ${RUNG_KEYS.join(", ")}`);
  }
  const { name, codec } = record;
  // The name becomes a file name and a playlist's folder.
  if (typeof name !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw invalid(`${at}.name`, "1 to 64 letters, digits, dots, dashes or underscores");
  }
  if (typeof codec !== "string" || !VIDEO_CODECS.includes(codec)) {
    throw new TranscodeError({ code: "LADDER_CODEC_UNKNOWN", name, codec: String(codec) });
  }
  return {
    name,
    codec: codec as VideoCodec,
    height: readInteger(record, "height", at, 16, SIDE_LIMIT),
    videoBitrate: readInteger(record, "videoBitrate", at, 1_000, 1_000_000_000),
    audioBitrate: readInteger(record, "audioBitrate", at, 6_000, 512_000),
    ...(record.fps === undefined ? {} : { fps: readFps(record.fps, at) }),
  };
}

function readInteger(record: Record<string, unknown>, key: string, at: string, low: number, high: number): number {
  const value = record[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
    throw invalid(`${at}.${key}`, `an integer from ${low} to ${high}`);
  }
  return value;
}

function readFps(value: unknown, at: string): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 1 || value > 240) {
    throw invalid(`${at}.fps`, "a number from 1 to 240");
  }
  return value;
}

/**
 * The rungs that a source of this shape gets. A rung larger than the source is clamped to it; of rungs that then have
 * the same codec, size and frame rate the first stays. One that no encoder of its codec makes so small is dropped.
 *
 * 1280x720 with 480, 1080 and 720 in H.264: 854x480, 1280x720 (from 1080), and 720 is dropped.
 *
 * @throws LADDER_SOURCE_INVALID, LADDER_RUNGS_TOO_SMALL where no rung is left
 */
export function resolveLadder(ladder: Ladder, source: SourceShape): ResolvedLadder {
  const { width, height } = source;
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 2 || height < 2) {
    throw new TranscodeError({ code: "LADDER_SOURCE_INVALID", width, height });
  }
  const rungs: ResolvedRung[] = [];
  const dropped: DroppedRung[] = [];
  for (const rung of ladder) {
    const size = fitSize(rung.height, source);
    const least = LEAST_SIDES[rung.codec] ?? 0;
    if (Math.min(size.width, size.height) < least) {
      dropped.push({
        name: rung.name,
        reason: `${rung.codec} ${size.width}x${size.height} is below ${least}x${least}`,
      });
      continue;
    }
    const fps = rung.fps !== undefined && (source.fps === undefined || rung.fps < source.fps) ? rung.fps : undefined;
    const twin = rungs.find(
      (other) =>
        other.codec === rung.codec && other.width === size.width && other.height === size.height && other.fps === fps,
    );
    if (twin) {
      dropped.push({ name: rung.name, reason: `same as ${twin.name}: ${rung.codec} ${size.width}x${size.height}` });
      continue;
    }
    const { name, codec, videoBitrate, audioBitrate } = rung;
    rungs.push({ name, codec, ...size, videoBitrate, audioBitrate, ...(fps === undefined ? {} : { fps }) });
  }
  // What is the same as another leaves that one: only too small ones can leave none.
  if (rungs.length === 0 && ladder.length > 0) {
    const codecs = [...new Set(ladder.map(({ codec }) => codec))].join(" ");
    throw new TranscodeError({ code: "LADDER_RUNGS_TOO_SMALL", codecs, width, height });
  }
  return { rungs, dropped };
}

/** Even sides, the short one at most `shortSide` and at most the source's, the long one after the source's shape. */
function fitSize(shortSide: number, source: SourceShape): { width: number; height: number } {
  const sourceShort = Math.min(source.width, source.height);
  const sourceLong = Math.max(source.width, source.height);
  const short = floorEven(Math.min(shortSide, sourceShort));
  const long = Math.min(roundEven((sourceLong * short) / sourceShort), floorEven(sourceLong));
  return source.width >= source.height ? { width: long, height: short } : { width: short, height: long };
}

const floorEven = (value: number) => Math.max(2, Math.floor(value / 2) * 2);
const roundEven = (value: number) => Math.max(2, Math.round(value / 2) * 2);

/** One audio group per family that has a rung: AAC goes with H.264 and HEVC, Opus with VP9 and AV1. */
export function audioGroups(rungs: readonly Pick<ResolvedRung, "codec" | "audioBitrate">[]): AudioGroup[] {
  const groups = new Map<AudioCodec, number>();
  for (const rung of rungs) {
    const codec = audioCodecFor(rung.codec);
    groups.set(codec, Math.max(groups.get(codec) ?? 0, rung.audioBitrate));
  }
  return [...groups].map(([codec, bitrate]) => ({ codec, bitrate }));
}

/**
 * The sound of a live stream, once in each codec whatever the ladder: players of files want the one that goes with their
 * pictures, WebRTC hears Opus alone. A codec without a family of its own has the largest bit rate that the ladder names.
 */
export function liveSound(rungs: readonly Pick<ResolvedRung, "codec" | "audioBitrate">[]): AudioGroup[] {
  const groups = audioGroups(rungs);
  const largest = Math.max(...rungs.map(({ audioBitrate }) => audioBitrate));
  return LIVE_CODECS.map((codec) => groups.find((group) => group.codec === codec) ?? { codec, bitrate: largest });
}

export function audioCodecFor(codec: VideoCodec): AudioCodec {
  return codec === "h264" || codec === "hevc" ? "aac" : "opus";
}

function invalid(at: string, reason: string): TranscodeError {
  return new TranscodeError({ code: "LADDER_INVALID", at, reason });
}
