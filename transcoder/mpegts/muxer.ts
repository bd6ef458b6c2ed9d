import type { AudioConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { PacketWriter } from "./packet-writer.ts";
import { writePes } from "./pes-writer.ts";
import { writePat, writePmt } from "./table-writer.ts";
import { createTrackWriter, type TrackWriter } from "./track-writers.ts";

/** What a program holds. Absent: no picture, or no sound. */
export interface TsTracks {
  readonly video?: VideoConfig | undefined;
  readonly audio?: AudioConfig | undefined;
}

/** A frame in time: ticks of 90 kHz on one clock for both tracks, which may go beyond 33 bits. */
export interface TsSample {
  readonly kind: "video" | "audio";
  readonly dts: number;
  readonly pts: number;
  readonly key: boolean;
  /** As in `Frame.data`. */
  readonly data: Uint8Array;
}

const PAT_PID = 0;
const PMT_PID = 0x1000;
const pids = { video: 0x100, audio: 0x101 } as const;
const RANGE = 2 ** 33;
const VERSIONS = 32;
/** A receiver finds the program within a quarter of a second; half a second is what DVB allows. */
const TABLE_TICKS = 22_500;
/** The clock is told at least this often, where there is a frame: a tenth of a second is what the standard allows. */
const CLOCK_TICKS = 8_100;
/** How long a frame may take to a decoder whose clock is the sender's: sound comes a little before or behind pictures. */
const DECODE_DELAY_TICKS = 27_000;

interface Track {
  readonly writer: TrackWriter;
  readonly packets: PacketWriter;
}

/** Writes frames as an MPEG transport stream of one program, each at once. */
export class TsMuxer {
  readonly #pat = new PacketWriter(PAT_PID);
  readonly #pmt = new PacketWriter(PMT_PID);
  readonly #packets = { video: new PacketWriter(pids.video), audio: new PacketWriter(pids.audio) };
  #tracks: { readonly video: Track | undefined; readonly audio: Track | undefined };
  #version = 0;
  #tableDts: number | undefined;
  #clock: number | undefined;

  /** @throws MPEGTS_CODEC_UNSUPPORTED, BitstreamError */
  constructor(tracks: TsTracks) {
    this.#tracks = this.#createTracks(tracks);
  }

  /** What follows has these tracks. @throws MPEGTS_CODEC_UNSUPPORTED, BitstreamError */
  configure(tracks: TsTracks): void {
    const before = describe(this.#tracks);
    this.#tracks = this.#createTracks(tracks);
    if (describe(this.#tracks) === before) return;
    this.#version = (this.#version + 1) % VERSIONS;
    this.#tableDts = undefined;
  }

  /**
   * The packets of a frame, behind the tables where those are due: from a key frame on, or from any frame where there
   * is sound alone, the bytes can be read without those before. No bytes for a frame of a track that the program lacks.
   * @throws BitstreamError for a picture that cannot be read
   */
  write(sample: TsSample): Buffer {
    const track = this.#tracks[sample.kind];
    if (track === undefined) return Buffer.alloc(0);
    const payload = track.writer.payloadOf(sample);
    if (payload.length === 0) return Buffer.alloc(0);
    const { kind, dts, key } = sample;
    const isEntry = kind === "video" ? key : this.#tracks.video === undefined;
    const pts = Math.max(sample.pts, dts);
    const clockKind = this.#tracks.video === undefined ? "audio" : "video";
    const time = this.#tellTime(dts, kind === clockKind);
    const before = kind === clockKind || time === undefined ? [] : [this.#packets[clockKind].writeTime(time)];
    const pcr = kind === clockKind ? time : undefined;
    const packet = writePes(track.writer.streamId, wrap(pts), wrap(dts), payload);
    const media = track.packets.write(packet, { randomAccess: isEntry, pcr });
    return Buffer.concat([...this.#writeTables(dts, kind === "video" && key), ...before, media]);
  }

  #writeTables(dts: number, isKey: boolean): Buffer[] {
    const last = this.#tableDts;
    if (last !== undefined && !isKey && Math.abs(dts - last) < TABLE_TICKS) return [];
    this.#tableDts = dts;
    const { video, audio } = this.#tracks;
    const streams = [video, audio].flatMap((track) => {
      if (track === undefined) return [];
      const { type, descriptors } = track.writer;
      return [{ type, pid: track.packets.pid, descriptors }];
    });
    const pmt = writePmt(this.#version, video === undefined ? pids.audio : pids.video, streams);
    return [this.#pat.write(stuff(writePat(PMT_PID))), this.#pmt.write(stuff(pmt))];
  }

  /** The time to tell, where it is to be told: it never goes back. */
  #tellTime(dts: number, isFree: boolean): number | undefined {
    const clock = dts - DECODE_DELAY_TICKS;
    const last = this.#clock;
    if (last !== undefined && (clock <= last || (!isFree && clock - last < CLOCK_TICKS))) return undefined;
    this.#clock = clock;
    return wrap(clock);
  }

  #createTracks({ video, audio }: TsTracks): { video: Track | undefined; audio: Track | undefined } {
    return {
      video: video && { writer: createTrackWriter(video), packets: this.#packets.video },
      audio: audio && { writer: createTrackWriter(audio), packets: this.#packets.audio },
    };
  }
}

/** A section ends with its packet: what is left of it are ones, not an adaptation field. */
function stuff(section: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(184).fill(0xff);
  bytes.set(section);
  return bytes;
}

/** What of the tracks stands in the table. */
function describe(tracks: { readonly video: Track | undefined; readonly audio: Track | undefined }): string {
  return [tracks.video, tracks.audio]
    .map((track) => (track === undefined ? "" : `${track.writer.type} ${track.writer.descriptors.join()}`))
    .join(";");
}

function wrap(ticks: number): number {
  return ((ticks % RANGE) + RANGE) % RANGE;
}
