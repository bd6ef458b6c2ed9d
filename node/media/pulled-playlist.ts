import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Attributes } from "./inspect/attributes.ts";
import { isMaster } from "./inspect/check-master.ts";
import { isTag, type Line, readLines, type Tag } from "./inspect/lines.ts";
import { type ByteRange, type ListedMap, type ListedSegment, readMedia } from "./inspect/media-playlist.ts";
import { Findings } from "./inspect/rules.ts";

/** Why a playlist of somebody else's making is not followed. */
export class PlaylistError extends CodedError<
  | { code: "PULL_PLAYLIST_INVALID"; reason: string }
  | { code: "PULL_PLAYLIST_UNSUPPORTED"; feature: string }
  | { code: "PULL_VARIANT_MISSING" }
> {}

/** One segment, of all that the playlist ever had. */
export interface PulledSegment {
  readonly sequence: number;
  readonly uri: string;
  readonly durationS: number;
  readonly gap: boolean;
  readonly range: ByteRange | undefined;
  readonly map: ListedMap | undefined;
  /** Rises with each discontinuity since the playlist began. */
  readonly discontinuity: number;
}

export interface PulledMediaPlaylist {
  readonly type: "media";
  readonly targetDurationS: number;
  readonly ended: boolean;
  readonly segments: readonly PulledSegment[];
}

export interface PulledVariant {
  readonly uri: string;
  readonly bandwidth: number;
  readonly codecs: string | undefined;
  /** Where its sound is a playlist of its own. */
  readonly audioUri: string | undefined;
}

export interface PulledMaster {
  readonly type: "master";
  readonly variants: readonly PulledVariant[];
}

/** A day of one-second segments. */
const MAX_SEGMENTS = 86_400;
const LONGEST_TARGET_S = 3_600;
/** What keeps a playlist from being read as it was meant. Others break its rules and harm nobody here. */
const fatal = new Set(["header-missing", "target-duration-missing", "segment-duration-missing", "byte-range-start"]);
/** RFC 6381 names of what streams are taken in with. */
const known = /^(avc[13]|hvc1|hev1|vp09|av01|mp4a\.40|opus)/i;

/** @throws PlaylistError */
export function readPulledPlaylist(bytes: Uint8Array): PulledMaster | PulledMediaPlaylist {
  const findings = new Findings();
  const lines = readLines(bytes, findings);
  const playlist = isMaster(lines) ? readMasterPlaylist(lines) : readMediaPlaylist(lines, findings);
  const fault = findings.list.find(({ rule }) => fatal.has(rule));
  if (fault !== undefined) throw new PlaylistError({ code: "PULL_PLAYLIST_INVALID", reason: fault.rule });
  return playlist;
}

function readMediaPlaylist(lines: readonly Line[], findings: Findings): PulledMediaPlaylist {
  const read = readMedia(lines, findings);
  const { targetDurationS, segments, discontinuitySequence } = read;
  if (targetDurationS === undefined) findings.add("target-duration-missing", undefined, "");
  if (targetDurationS === 0 || (targetDurationS ?? 0) > LONGEST_TARGET_S) {
    throw new PlaylistError({ code: "PULL_PLAYLIST_INVALID", reason: "target-duration" });
  }
  if (segments.length > MAX_SEGMENTS) throw new PlaylistError({ code: "PULL_PLAYLIST_INVALID", reason: "segments" });
  const key = read.tags.find((tag) => tag.name === "EXT-X-KEY" && tag.attributes.get("METHOD") !== "NONE");
  if (key !== undefined) throw new PlaylistError({ code: "PULL_PLAYLIST_UNSUPPORTED", feature: "EXT-X-KEY" });
  if (read.iframesOnly) throw new PlaylistError({ code: "PULL_PLAYLIST_UNSUPPORTED", feature: "EXT-X-I-FRAMES-ONLY" });
  // Also one that does not say how many: nobody asked for it.
  if (read.tags.some(({ name }) => name === "EXT-X-SKIP")) {
    throw new PlaylistError({ code: "PULL_PLAYLIST_UNSUPPORTED", feature: "EXT-X-SKIP" });
  }
  return {
    type: "media",
    targetDurationS: targetDurationS ?? 0,
    ended: read.ended,
    segments: segments.map((segment) => toSegment(segment, discontinuitySequence)),
  };
}

function toSegment(segment: ListedSegment, discontinuitySequence: number): PulledSegment {
  const { sequence, uri, durationS, gap, range, map, discontinuities } = segment;
  return { sequence, uri, durationS, gap, range, map, discontinuity: discontinuitySequence + discontinuities };
}

function readMasterPlaylist(lines: readonly Line[]): PulledMaster {
  const sounds = readSounds(lines);
  const variants: PulledVariant[] = [];
  let open: Tag | undefined;
  for (const line of lines) {
    if (isTag(line)) {
      if (line.name === "EXT-X-STREAM-INF") open = line;
      continue;
    }
    if (open === undefined) continue;
    const { attributes } = open;
    open = undefined;
    const bandwidth = Number(attributes.get("BANDWIDTH"));
    variants.push({
      uri: line.uri,
      bandwidth: Number.isSafeInteger(bandwidth) ? bandwidth : 0,
      codecs: attributes.get("CODECS"),
      audioUri: sounds.get(attributes.get("AUDIO") ?? "")?.get("URI"),
    });
  }
  return { type: "master", variants };
}

/** Of each group the default, else the first. Without an address it is inside the variant itself. */
function readSounds(lines: readonly Line[]): ReadonlyMap<string, Attributes> {
  const sounds = new Map<string, Attributes>();
  for (const line of lines) {
    if (!isTag(line) || line.name !== "EXT-X-MEDIA" || line.attributes.get("TYPE") !== "AUDIO") continue;
    const group = line.attributes.get("GROUP-ID") ?? "";
    const held = sounds.get(group);
    const isDefault = line.attributes.get("DEFAULT") === "YES" && held?.get("DEFAULT") !== "YES";
    if (held === undefined || isDefault) sounds.set(group, line.attributes);
  }
  return sounds;
}

/** The best that can be taken in and is not above so many bits a second. @throws PULL_VARIANT_MISSING */
export function chooseVariant({ variants }: PulledMaster, maxBitrate: number): PulledVariant {
  const able = variants
    .filter(({ codecs }) => codecs?.split(",").every((codec) => known.test(codec.trim())) ?? true)
    .filter(({ bandwidth }) => bandwidth <= maxBitrate)
    .sort((left, right) => right.bandwidth - left.bandwidth);
  const [best] = able;
  if (best === undefined) throw new PlaylistError({ code: "PULL_VARIANT_MISSING" });
  return best;
}

export interface Position {
  /** The segment that follows what is known. */
  readonly next: number;
}

/** What a load of a playlist brings to who has read up to `position`. */
export interface Progress {
  readonly segments: readonly PulledSegment[];
  readonly position: Position;
  /** Segments that were there and are gone unread. */
  readonly missed: number;
  /** It counts anew: whoever makes it began again. */
  readonly restarted: boolean;
}

/** Players begin three target durations before the end of what is live. */
const START_TARGETS = 3;

/** Where to go on in a playlist; at the live edge where nothing was read yet, from its start where it is whole. */
export function followPlaylist(playlist: PulledMediaPlaylist, position: Position | undefined): Progress {
  const { segments, ended } = playlist;
  const last = segments.at(-1)?.sequence;
  if (last === undefined) return { segments: [], position: position ?? { next: 0 }, missed: 0, restarted: false };
  const after = { next: last + 1 };
  // One that only lost its newest segments is a stale copy: a cache may have it.
  const restarted = position !== undefined && last + 1 < position.next - STALE_SEGMENTS;
  if (position === undefined || restarted) {
    return { segments: ended ? segments : liveEdge(playlist), position: after, missed: 0, restarted };
  }
  if (last < position.next) return { segments: [], position, missed: 0, restarted: false };
  const fresh = segments.filter(({ sequence }) => sequence >= position.next);
  return { segments: fresh, position: after, missed: fresh[0]!.sequence - position.next, restarted: false };
}

const STALE_SEGMENTS = 3;

function liveEdge({ segments, targetDurationS }: PulledMediaPlaylist): readonly PulledSegment[] {
  let left = START_TARGETS * targetDurationS;
  let from = segments.length;
  while (from > 0 && left > 0) {
    from -= 1;
    left -= segments[from]!.durationS;
  }
  return segments.slice(from);
}
