import { fragment, type Sample } from "@leat/node/media/mp4/fragment.ts";
import { initSegment, TRACK_ID } from "@leat/node/media/mp4/init.ts";
import { type TrackConfig, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { ContinuousClock, type PlacedTime } from "../playout/continuous-clock.ts";
import type { Piece, SentFrame } from "../playout/piece.ts";

export interface Mp4Track {
  readonly rung: number;
  readonly config: TrackConfig;
}

interface Placed extends PlacedTime {
  readonly sent: SentFrame;
}

/** As long as a part: what a player waits for, beside one frame in each box, which would be a fifth of a small rung. */
const FRAGMENT_TICKS = VIDEO_TIMESCALE / 4;

/** Writes one viewer's file as it grows: fragments of its tracks in turn, on a clock that begins at zero. */
export class Mp4Writer {
  /** What stands before the first piece. */
  readonly init: Uint8Array;
  readonly #tracks: readonly Mp4Track[];
  readonly #clock = new ContinuousClock();
  readonly #pending = new Map<number, Placed[]>();
  #fragments = 0;

  /** Pictures first, where there are some. */
  constructor(tracks: readonly [Mp4Track, ...Mp4Track[]]) {
    const [first, ...more] = tracks;
    this.#tracks = tracks;
    this.init = initSegment(first.config, ...more.map(({ config }) => config));
  }

  /** The fragment that the frame closes, if it closes one. */
  push(sent: SentFrame): Piece | undefined {
    const track = this.#tracks.find(({ rung }) => rung === sent.rung);
    const time = track && this.#clock.place(sent.frame, track.config.timescale);
    if (track === undefined || time === undefined) return undefined;
    const pending = this.#pending.get(sent.rung) ?? [];
    const [first] = pending;
    const isKey = sent.frame.kind === "video" && sent.frame.key;
    const isFull = first !== undefined && (isKey || time.dts - first.dts >= FRAGMENT_TICKS);
    this.#pending.set(sent.rung, isFull ? [{ ...time, sent }] : [...pending, { ...time, sent }]);
    return isFull ? this.#cut(track, pending, time.dts) : undefined;
  }

  /** Nothing more comes. */
  finish(): Piece[] {
    const pieces = this.#tracks.flatMap((track) => {
      const pending = this.#pending.get(track.rung) ?? [];
      return pending.length === 0 ? [] : [this.#cut(track, pending, undefined)];
    });
    this.#pending.clear();
    return pieces;
  }

  #cut({ rung, config }: Mp4Track, placed: readonly Placed[], next: number | undefined): Piece {
    const toTrack = (ticks: number) => Math.round((ticks * config.timescale) / VIDEO_TIMESCALE);
    const samples = placed.map(({ dts, pts, sent: { frame } }, index): Sample => {
      const end = placed[index + 1]?.dts ?? next;
      return {
        durationTicks: end === undefined ? frame.duration : toTrack(end) - toTrack(dts),
        compositionTicks: toTrack(pts) - toTrack(dts),
        key: frame.key || frame.kind === "audio",
        data: frame.data,
      };
    });
    this.#fragments += 1;
    const id = TRACK_ID + this.#tracks.findIndex((track) => track.rung === rung);
    const isAlone = this.#tracks[0]?.config.kind === "audio";
    return {
      bytes: fragment(this.#fragments % 2 ** 32, toTrack(placed[0]!.dts), samples, id),
      isEntry: isAlone || (config.kind === "video" && samples[0]!.key),
      frames: placed.map(({ sent }) => sent),
    };
  }
}
