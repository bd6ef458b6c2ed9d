import { isSameConfig, type SourceConfig } from "@leat/sdk/protocol/frame.ts";
import { type DemuxedItem, MAX_CONFIG_CHANGES, type PublishItem } from "@leat/sdk/protocol/published.ts";
import { AacReader } from "./aac-reader.ts";
import { Continuity } from "./continuity.ts";
import { readCue } from "./cue-reader.ts";
import { MpegTsError } from "./errors.ts";
import { MAX_PACKETS_WITHOUT_TABLE } from "./limits.ts";
import { nalCodecs } from "./nal-codecs.ts";
import { OpusReader } from "./opus-reader.ts";
import { PacketReader, type TsPacket } from "./packet-reader.ts";
import { type PesPacket, PesReader } from "./pes.ts";
import { SectionReader } from "./sections.ts";
import { kindOf, type StreamKind } from "./stream-kinds.ts";
import { type ElementaryStream, parsePat, parsePmt } from "./tables.ts";
import { TagReader } from "./tag-reader.ts";
import type { TrackReader } from "./track-reader.ts";
import { TsClock } from "./ts-clock.ts";
import { VideoReader } from "./video-reader.ts";

/** What is left out of a program, told once for each of its streams. */
export interface IgnoredStream {
  readonly pid: number;
  readonly kind: "video" | "audio" | "data";
  readonly type: number;
}

export interface TsStats {
  readonly packets: number;
  /** Packets that fill up. */
  readonly nulls: number;
  /** Packets of what is not taken: data, further tracks, other programs. */
  readonly ignored: number;
  /** Gaps in what is taken. */
  readonly gaps: number;
  /** Pictures, packets of sound and tables that could not be read, or came while a key frame was waited for. */
  readonly leftOut: number;
  readonly garbageBytes: number;
}

interface Track {
  readonly pid: number;
  /** What would make it another track. */
  readonly mark: string;
  readonly kind: "video" | "audio";
  readonly pes: PesReader;
  readonly reader: TrackReader;
  readonly continuity: Continuity;
}

interface TablePid {
  readonly sections: SectionReader;
  readonly continuity: Continuity;
}

const PAT_PID = 0;
const NULL_PID = 0x1fff;

/**
 * An MPEG transport stream becomes what a publish sink takes: the first program's first video and first audio of a
 * codec that Leat has, its splice commands and its timed metadata. Bytes come in pieces of any size, from whatever carries them.
 */
export class TsDemuxer {
  readonly #onIgnored: (stream: IgnoredStream) => void;
  readonly #packets = new PacketReader();
  readonly #clock: TsClock;
  readonly #pat = newTable();
  readonly #configs = new Map<SourceConfig["kind"], SourceConfig>();
  readonly #told = new Set<number>();
  #program: { readonly program: number; readonly pid: number; readonly table: TablePid } | undefined;
  #tracks: Track[] = [];
  #cues: { readonly pid: number; readonly table: TablePid } | undefined;
  #tags: TagReader | undefined;
  #configChanges = 0;
  #sinceTable = 0;
  #leftOut = 0;
  readonly #counts = { packets: 0, nulls: 0, ignored: 0, gaps: 0 };

  /** `clock`: of a stream that comes in files, each with a demuxer of its own. */
  constructor(onIgnored: (stream: IgnoredStream) => void = () => {}, clock = new TsClock()) {
    this.#onIgnored = onIgnored;
    this.#clock = clock;
  }

  get stats(): TsStats {
    const { malformed } = this.#pat.sections;
    const known = [this.#program, this.#cues].map((one) => one?.table.sections.malformed ?? 0);
    const tables = malformed + known[0]! + known[1]!;
    return {
      ...this.#counts,
      leftOut: this.#tracks.reduce((sum, track) => sum + leftOutOf(track), this.#leftOut + tables),
      garbageBytes: this.#packets.garbageBytes,
    };
  }

  /**
   * The bytes are the demuxer's from now on. @throws MpegTsError, and BitstreamError for a track that cannot be described
   */
  push(bytes: Uint8Array): DemuxedItem[] {
    const items: DemuxedItem[] = [];
    for (const packet of this.#packets.read(bytes)) for (const item of this.#take(packet)) items.push(item);
    return items;
  }

  /** The stream is over: gives the picture whose end only a next one would have told. */
  end(): PublishItem[] {
    return this.#tracks.flatMap((track) => this.#read(track, track.pes.flush()));
  }

  #take(packet: TsPacket): DemuxedItem[] {
    this.#counts.packets += 1;
    if (packet.pid === NULL_PID) {
      this.#counts.nulls += 1;
      return [];
    }
    this.#countTo(packet.pid);
    if (packet.pid === PAT_PID) return this.#takePat(packet);
    if (packet.pid === this.#program?.pid) return this.#takePmt(packet);
    const track = this.#tracks.find(({ pid }) => pid === packet.pid);
    if (track !== undefined) return this.#takeMedia(track, packet);
    if (packet.pid === this.#cues?.pid) return this.#takeCues(this.#cues.table, packet);
    if (packet.pid === this.#tags?.pid) {
      return this.#tags.push(packet, this.#clock.fork()).map((tag) => ({ type: "tag", tag }));
    }
    this.#counts.ignored += 1;
    return [];
  }

  #countTo(pid: number): void {
    this.#sinceTable = this.#tracks.length > 0 ? 0 : this.#sinceTable + 1;
    if (this.#sinceTable <= MAX_PACKETS_WITHOUT_TABLE || pid === PAT_PID) return;
    throw new MpegTsError({ code: "MPEGTS_PROGRAM_MISSING", packets: this.#sinceTable });
  }

  #takePat(packet: TsPacket): PublishItem[] {
    const items: PublishItem[] = [];
    for (const section of readSections(this.#pat, packet)) {
      const first = parsePat(section)?.[0];
      if (first === undefined || (first.pid === this.#program?.pid && first.program === this.#program.program))
        continue;
      this.#leftOut += this.#program?.table.sections.malformed ?? 0;
      this.#program = { ...first, table: newTable() };
      items.push(...this.#choose([]));
    }
    return items;
  }

  #takePmt(packet: TsPacket): PublishItem[] {
    const { program, table } = this.#program!;
    return readSections(table, packet).flatMap((section) => {
      const streams = parsePmt(section, program);
      return streams === undefined ? [] : this.#choose(streams);
    });
  }

  /** Tracks that stay what they are go on; of those that go, what they hold is given. */
  #choose(streams: readonly ElementaryStream[]): PublishItem[] {
    const known = streams.map((stream) => ({ stream, kind: kindOf(stream) }));
    const chosen = new Set<ElementaryStream>();
    const tracks: Track[] = [];
    for (const wanted of ["video", "audio"] as const) {
      const candidates = known.filter(({ kind }) => kind.kind === wanted);
      const taken = candidates.find(({ kind }) => "codec" in kind && kind.codec !== undefined);
      const [first] = candidates;
      if (taken === undefined && first !== undefined && "found" in first.kind) {
        throw new MpegTsError({ code: "MPEGTS_CODEC_UNSUPPORTED", kind: wanted, found: first.kind.found });
      }
      if (taken === undefined) continue;
      chosen.add(taken.stream);
      tracks.push(this.#keepOrMake(taken.stream.pid, wanted, taken.kind));
    }
    const dataOf = (what: "cues" | "tags") =>
      known.find(({ kind }) => kind.kind === "data" && kind.holds === what)?.stream;
    const [cues, tags] = [dataOf("cues"), dataOf("tags")];
    for (const stream of [cues, tags]) if (stream !== undefined) chosen.add(stream);
    if (cues?.pid !== this.#cues?.pid) this.#cues = cues && { pid: cues.pid, table: newTable() };
    if (tags?.pid !== this.#tags?.pid) this.#tags = tags && new TagReader(tags.pid);
    const gone = this.#tracks.filter((track) => !tracks.includes(track));
    const items = gone.flatMap((track) => this.#read(track, track.pes.flush()));
    for (const track of gone) this.#leftOut += leftOutOf(track);
    this.#tracks = tracks;
    for (const { stream, kind } of known) if (!chosen.has(stream)) this.#ignore(stream, kind);
    return items;
  }

  #ignore({ pid, type }: ElementaryStream, { kind }: StreamKind): void {
    if (this.#told.has(pid)) return;
    this.#told.add(pid);
    this.#onIgnored({ pid, kind, type });
  }

  #keepOrMake(pid: number, kind: "video" | "audio", what: StreamKind): Track {
    const mark = `${pid} ${JSON.stringify(what)}`;
    const kept = this.#tracks.find((track) => track.mark === mark);
    if (kept !== undefined) return kept;
    const unwrap = (ticks: number) => this.#clock.unwrap(ticks);
    return { pid, mark, kind, pes: new PesReader(kind), reader: newReader(what, unwrap), continuity: new Continuity() };
  }

  #takeMedia(track: Track, packet: TsPacket): PublishItem[] {
    const { continuity, pes, reader } = track;
    const order = packet.damaged ? "gap" : continuity.check(packet);
    if (order === "repeat") return [];
    if (order === "gap") {
      this.#counts.gaps += 1;
      pes.lose();
      reader.lose();
    }
    if (packet.damaged || packet.payload === undefined) return [];
    if (packet.scrambled) throw new MpegTsError({ code: "MPEGTS_SCRAMBLED", pid: packet.pid });
    return this.#read(track, pes.push(packet.payload, packet.starts));
  }

  #takeCues(table: TablePid, packet: TsPacket): DemuxedItem[] {
    return readSections(table, packet).flatMap((section) => {
      const cue = readCue(section, this.#clock.fork());
      return cue === undefined ? [] : [{ type: "cue", cue }];
    });
  }

  #read({ reader }: Track, packets: readonly (PesPacket | "broken")[]): PublishItem[] {
    return packets.flatMap((packet) => {
      if (packet !== "broken") return reader.push(packet).filter((item) => this.#isNews(item));
      reader.lose();
      return [];
    });
  }

  /** Encoders repeat their configuration with every key frame, and tracks come and go: only a new one counts. */
  #isNews(item: PublishItem): boolean {
    if (item.type !== "config") return true;
    const { config } = item;
    const before = this.#configs.get(config.kind);
    if (before !== undefined && isSameConfig(before, config)) return false;
    this.#configs.set(config.kind, config);
    this.#configChanges += 1;
    if (this.#configChanges > MAX_CONFIG_CHANGES) {
      throw new MpegTsError({ code: "MPEGTS_CONFIG_CHANGES_EXCEEDED", limit: MAX_CONFIG_CHANGES });
    }
    return true;
  }
}

function newReader(what: StreamKind, unwrap: (ticks: number) => number): TrackReader {
  if (!("codec" in what) || what.codec === undefined) throw new Error("a track of no codec");
  switch (what.codec) {
    case "aac":
      return new AacReader(unwrap);
    case "opus":
      return new OpusReader(what.layout, unwrap);
    default:
      return new VideoReader(nalCodecs[what.codec], unwrap);
  }
}

function newTable(): TablePid {
  return { sections: new SectionReader(), continuity: new Continuity() };
}

function readSections({ sections, continuity }: TablePid, packet: TsPacket): Uint8Array[] {
  const order = packet.damaged ? "gap" : continuity.check(packet);
  if (order === "gap") sections.lose();
  if (order === "repeat" || packet.damaged || packet.payload === undefined) return [];
  return sections.push(packet.payload, packet.starts);
}

function leftOutOf({ pes, reader }: Track): number {
  return pes.broken + reader.leftOut;
}
