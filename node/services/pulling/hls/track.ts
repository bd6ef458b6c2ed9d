import type { Clock } from "@leat/node/kernel/clock.ts";
import {
  followPlaylist,
  PlaylistError,
  type Position,
  type PulledMediaPlaylist,
  type PulledSegment,
  readPulledPlaylist,
} from "@leat/node/media/pulled-playlist.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import type { PullOptions } from "@leat/node/media-io/pull/options.ts";
import { createDemuxer } from "@leat/node/media-io/pull/ts-source.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type DemuxedItem, isSample } from "@leat/sdk/protocol/published.ts";
import { demuxFile } from "@leat/transcoder/mpegts/demux-file.ts";
import type { TsDemuxer } from "@leat/transcoder/mpegts/demuxer.ts";
import { PackedAacReader } from "@leat/transcoder/mpegts/packed-aac.ts";
import type { Fetcher } from "./fetcher.ts";
import { Fmp4Reader } from "./fmp4-reader.ts";
import type { KnownTags } from "./known-tags.ts";

export interface HlsTrackParts {
  readonly fetcher: Fetcher;
  readonly options: PullOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What one segment brought. */
export interface SegmentMedia {
  readonly items: readonly DemuxedItem[];
  /** Rises where the source's clock begins anew. */
  readonly discontinuity: number;
}

/** Answers that may be other ones a moment later. */
const passing = new Set(["PULL_STATUS_REFUSED", "PULL_UNREACHABLE", "PULL_TIMEOUT", "PULL_IDLE", "PULL_SOURCE_LOST"]);
/** Segments in a row that may be missing, though listed. */
const MAX_MISSING = 3;
/** A playlist that lists nothing new for so many target durations is over. */
const STALL_TARGETS = 3;
const SYNC = 0x47;

/** Reads one media playlist again and again, and what its segments hold. */
export class HlsTrack {
  readonly #parts: HlsTrackParts;
  readonly #known: KnownTags;
  #demuxer: TsDemuxer | undefined;
  #mp4: Fmp4Reader | undefined;
  #sound: PackedAacReader | undefined;
  #map = "";
  #discontinuity: number | undefined;
  /** Where the playlist itself began again. */
  #restarts = 0;
  #missing = 0;

  /** @param known Of all tracks of the source. */
  constructor(parts: HlsTrackParts, known: KnownTags) {
    this.#parts = parts;
    this.#known = known;
  }

  /** Ends with the playlist's end. @throws PullError, PlaylistError, and what its media is refused for */
  async *read(url: URL, first?: PulledMediaPlaylist): AsyncGenerator<SegmentMedia, void> {
    const { clock, signal, logger, options } = this.#parts;
    let playlist = first;
    let base = url;
    let position: Position | undefined;
    let newsAtMs = clock.nowMs();
    for (;;) {
      const loadedAtMs = clock.nowMs();
      if (playlist === undefined) ({ playlist, base } = await this.#load(url, newsAtMs));
      const { segments, missed, restarted, position: next } = followPlaylist(playlist, position);
      position = next;
      if (missed > 0) logger.warn("Miss segments of source", { segments: missed });
      if (restarted) this.#restarts += 1;
      for (const segment of segments) {
        // Of what brings neither picture nor sound nothing is ever seen: a gap, a segment that is gone, an empty one.
        for await (const media of this.#take(segment, base)) {
          yield media;
          if (media.items.some(isSample)) newsAtMs = clock.nowMs();
        }
      }
      if (playlist.ended) return;
      const { targetDurationS } = playlist;
      const stallMs = Math.max(options.idleMs, STALL_TARGETS * targetDurationS * 1_000);
      if (clock.nowMs() - newsAtMs > stallMs)
        throw new PullError({ code: "PULL_PLAYLIST_STALLED", timeoutMs: stallMs });
      playlist = undefined;
      // RFC 8216, 6.3.4: a target duration after a load that brought something, half of one after any other.
      const pauseMs = targetDurationS * (segments.length > 0 ? 1_000 : 500);
      await clock.sleep(Math.max(0, loadedAtMs + pauseMs - clock.nowMs()), signal);
    }
  }

  /** A playlist that cannot be had now may be had a moment later. */
  async #load(url: URL, newsAtMs: number): Promise<{ playlist: PulledMediaPlaylist; base: URL }> {
    const { fetcher, clock, options, signal } = this.#parts;
    for (;;) {
      try {
        const loaded = await fetcher.playlist(url);
        const playlist = readPulledPlaylist(loaded.bytes);
        if (playlist.type === "media") return { playlist, base: loaded.url };
        throw new PlaylistError({ code: "PULL_PLAYLIST_INVALID", reason: "master" });
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error) || clock.nowMs() - newsAtMs > options.idleMs) throw error;
        await clock.sleep(options.retryMinMs, signal);
      }
    }
  }

  async *#take(segment: PulledSegment, base: URL): AsyncGenerator<SegmentMedia, void> {
    const { fetcher, logger, signal } = this.#parts;
    if (segment.gap) return;
    try {
      const map = segment.map && (await this.#readMap(segment.map, base));
      const bytes = await fetcher.segment(segment.uri, base, segment.range);
      this.#missing = 0;
      const discontinuity = this.#restarts + segment.discontinuity;
      const items = await this.#demux(bytes, map, discontinuity);
      yield { items: this.#known.takeNew(items, discontinuity), discontinuity };
    } catch (error) {
      signal.throwIfAborted();
      this.#missing += 1;
      if (!isPassing(error) || this.#missing === MAX_MISSING) throw error;
      logger.warn("Miss segment of source", { code: error.code });
    }
  }

  /** Undefined where it is the one that holds. */
  async #readMap(map: NonNullable<PulledSegment["map"]>, base: URL): Promise<Uint8Array | undefined> {
    const name = `${map.uri} ${map.range?.from} ${map.range?.sizeBytes}`;
    if (name === this.#map) return undefined;
    const bytes = await this.#parts.fetcher.segment(map.uri, base, map.range);
    this.#map = name;
    return bytes;
  }

  async #demux(bytes: Uint8Array, map: Uint8Array | undefined, discontinuity: number): Promise<DemuxedItem[]> {
    const isNew = discontinuity !== this.#discontinuity;
    this.#discontinuity = discontinuity;
    if (map !== undefined) {
      this.#mp4 ??= new Fmp4Reader();
      this.#mp4.init(map);
    }
    if (bytes[0] === SYNC) {
      if (isNew || this.#demuxer === undefined) this.#demuxer = createDemuxer(this.#parts.logger);
      // Segments hold whole pictures: nothing of one comes with the next. Cues stand in such playlists, if anywhere.
      const items = await demuxFile(this.#demuxer, bytes);
      return items.filter((item) => item.type !== "cue");
    }
    if (this.#mp4 !== undefined) return this.#mp4.read(bytes);
    if (isNew || this.#sound === undefined) this.#sound = new PackedAacReader();
    const frames = this.#sound.open(bytes);
    if (frames === undefined) throw new PullError({ code: "PULL_SEGMENT_UNSUPPORTED" });
    return demuxFile(this.#sound, frames);
  }
}

function isPassing(error: unknown): error is PullError {
  return isCodedError(error) && passing.has(error.code);
}
