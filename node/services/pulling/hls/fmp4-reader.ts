import { Mp4Error } from "@leat/node/media/mp4/errors.ts";
import { type Mp4Sample, readFragments } from "@leat/node/media/mp4/read-fragments.ts";
import { type Mp4Track, readTracks } from "@leat/node/media/mp4/read-init.ts";
import { readTags } from "@leat/node/media/mp4/read-tags.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import { audioReaders } from "@leat/node/media-io/rtmp/audio-readers.ts";
import { videoReaders } from "@leat/node/media-io/rtmp/video-readers.ts";
import { isSameConfig, type SourceConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_CONFIG_BYTES, MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { DemuxedItem, PublishItem } from "@leat/sdk/protocol/published.ts";

/** Sample entries, by the letters under which the same record and frames travel elsewhere. */
const entries: Readonly<Record<string, string>> = {
  avc1: "avc1",
  avc3: "avc1",
  hvc1: "hvc1",
  hev1: "hvc1",
  vp09: "vp09",
  av01: "av01",
  mp4a: "mp4a",
  Opus: "Opus",
};

interface TakenTrack {
  readonly track: Mp4Track;
  /** What it was set up with, where the init segment tells. */
  readonly config: SourceConfig | undefined;
  readonly read: (sample: Mp4Sample) => PublishItem[];
}

/** Fragmented MP4 becomes what a publish sink takes: its first video and first audio, and its timed metadata. */
export class Fmp4Reader {
  #taken: TakenTrack[] = [];
  readonly #configs = new Map<SourceConfig["kind"], SourceConfig>();
  #fresh: PublishItem[] = [];

  /** @throws MP4_…, BITSTREAM_…, PULL_CODEC_UNSUPPORTED */
  init(bytes: Uint8Array): void {
    const tracks = readTracks(bytes);
    const first = (handler: string) => tracks.find((track) => track.handler === handler);
    const chosen = [first("vide"), first("soun")].filter((track) => track !== undefined);
    if (chosen.length === 0) throw new Mp4Error({ code: "MP4_INIT_INVALID", box: "trak" });
    this.#taken = chosen.map((track) => (track.handler === "vide" ? takeVideo(track) : takeAudio(track)));
    this.#fresh = this.#taken.flatMap(({ config }) => (config === undefined ? [] : this.#configure(config)));
  }

  /** Tags come first, as in most files. @throws MP4_…, BITSTREAM_… */
  read(bytes: Uint8Array): DemuxedItem[] {
    const samples = readFragments(
      bytes,
      this.#taken.map(({ track }) => track),
    );
    // A file has its tracks one after the other; a sink wants them as they are heard and seen.
    const timed = samples.map((sample) => ({ ms: msOf(sample), sample })).sort((left, right) => left.ms - right.ms);
    const fresh = this.#fresh;
    this.#fresh = [];
    return [
      ...fresh,
      ...tagsOf(bytes, samples),
      ...timed.flatMap(({ sample }) => {
        const items = this.#taken.find(({ track }) => track === sample.track)!.read(sample);
        return items.flatMap((item) => (item.type === "config" ? this.#configure(item.config) : item));
      }),
    ];
  }

  /** Nothing where it is the one that holds. */
  #configure(config: SourceConfig): PublishItem[] {
    if (config.description.length > MAX_CONFIG_BYTES) {
      throw new PullError({ code: "PULL_FRAME_TOO_LARGE", limit: MAX_CONFIG_BYTES });
    }
    const before = this.#configs.get(config.kind);
    if (before !== undefined && isSameConfig(before, config)) return [];
    this.#configs.set(config.kind, config);
    return [{ type: "config", config }];
  }
}

function takeVideo(track: Mp4Track): TakenTrack {
  const reader = videoReaders[entries[track.entry] ?? ""]?.();
  if (reader === undefined || track.record === undefined) throw unsupported(track);
  const config = reader.configure(track.record);
  return {
    track,
    config,
    read: (sample) => {
      const picture = reader.read(sample.data);
      if (picture === undefined) return [];
      requireSize(picture.data);
      const video = { dtsMs: msOf(sample), ctsMs: ctsMsOf(sample), key: picture.key, data: picture.data };
      return [
        ...(picture.config === undefined ? [] : [{ type: "config", config: picture.config } as const]),
        { type: "video", sample: video },
      ];
    },
  };
}

function takeAudio(track: Mp4Track): TakenTrack {
  const reader = audioReaders[entries[track.entry] ?? ""];
  if (reader === undefined || track.record === undefined) throw unsupported(track);
  const config = reader.configure(track.entry === "Opus" ? toOpusHead(track.record) : track.record);
  return {
    track,
    config,
    read: (sample) => {
      if (!reader.isPacket(sample.data)) return [];
      requireSize(sample.data);
      return [{ type: "audio", sample: { dtsMs: msOf(sample), data: sample.data } }];
    },
  };
}

/** What no message between nodes could carry. */
function requireSize({ length }: Uint8Array): void {
  if (length > MAX_FRAME_BYTES) throw new PullError({ code: "PULL_FRAME_TOO_LARGE", limit: MAX_FRAME_BYTES });
}

function msOf({ dts, track }: Mp4Sample): number {
  return (dts * 1_000) / track.timescale;
}

function ctsMsOf({ cts, track }: Mp4Sample): number {
  return (cts * 1_000) / track.timescale;
}

/** None where there is no sample, whose time theirs may count from. */
function tagsOf(bytes: Uint8Array, samples: readonly Mp4Sample[]): DemuxedItem[] {
  if (samples.length === 0) return [];
  const startMs = samples.reduce(
    (first, sample) => Math.min(first, msOf(sample) + ctsMsOf(sample)),
    Number.POSITIVE_INFINITY,
  );
  return readTags(bytes).map(({ time, tag }) => {
    const atMs = "atS" in time ? time.atS * 1_000 : startMs + time.afterS * 1_000;
    return { type: "tag", tag: { atMs, tag } };
  });
}

/** dOps in the byte order, and behind the magic word, of Opus's own head. */
function toOpusHead(record: Uint8Array): Uint8Array {
  const head = new Uint8Array(8 + record.length);
  head.set(new TextEncoder().encode("OpusHead"));
  head.set(record, 8);
  head[8] = 1;
  const [from, to] = [new DataView(record.buffer, record.byteOffset, record.length), new DataView(head.buffer)];
  if (record.length < 11) throw new Mp4Error({ code: "MP4_INIT_INVALID", box: "dOps" });
  to.setUint16(10, from.getUint16(2), true);
  to.setUint32(12, from.getUint32(4), true);
  to.setInt16(16, from.getInt16(8), true);
  return head;
}

function unsupported({ entry }: Mp4Track): PullError {
  return new PullError({ code: "PULL_CODEC_UNSUPPORTED", found: entry });
}
