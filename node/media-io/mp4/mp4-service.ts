import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type MetricsRegister, silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import type { ByteRange } from "../hls/range.ts";
import { chooseTracks } from "../playout/choose-tracks.ts";
import { PlayoutError } from "../playout/errors.ts";
import type { PlayedStream, StreamAudience } from "../playout/stream.ts";
import { FileTransfer } from "./file-transfer.ts";
import { type FileTaker, Mp4Viewer } from "./mp4-viewer.ts";
import type { Mp4Track } from "./mp4-writer.ts";
import type { Mp4Options } from "./options.ts";
import { type KeptStream, type KeptStreams, makeWholeFile, type WholeFile } from "./whole-file.ts";

export interface Mp4Components {
  readonly streams: KeptStreams;
  readonly audienceOf?: (stream: PlayedStream) => StreamAudience;
  /** Viewers pay for it, which they cannot here. */
  readonly isPaid?: (stream: PlayedStream) => boolean;
  readonly logger: Logger;
  readonly metrics?: MetricsRegister;
  readonly clock?: Clock;
}

/** A file without an end, of a stream that is live. */
export interface LiveChoice {
  readonly stream: PlayedStream;
  readonly tracks: readonly [Mp4Track, ...Mp4Track[]];
}

export type Mp4Choice = (LiveChoice & { readonly file?: undefined }) | { readonly file: WholeFile };

type Mp4Place = Pick<FileTaker, "viewer" | "mayWatch">;

/** Asks for the best rung, where none has this name. */
const BEST = "best";
const TICK_MS = 1_000;

/** Plays streams as MP4 files, by HTTP: without an end while they are live, whole for as long as they are kept after it. */
export class Mp4Service implements Startable {
  readonly #components: Mp4Components;
  readonly #options: Mp4Options;
  readonly #clock: Clock;
  readonly #tasks: TaskGroup;
  readonly #viewers = new Set<Mp4Viewer | FileTransfer>();
  /** Of streams that are over, by their rungs. */
  readonly #files = new WeakMap<KeptStream, Map<string, WholeFile>>();
  readonly #served;

  constructor(components: Mp4Components, options: Mp4Options) {
    const { clock = systemClock, logger, metrics = silentMetrics } = components;
    this.#components = components;
    this.#options = options;
    this.#clock = clock;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Play MP4 failed", { error }) });
    this.#served = metrics.counter({ name: "leat_mp4_served_bytes_total", help: "Media bytes sent to MP4 viewers" });
    metrics.gauge({ name: "leat_mp4_viewers", help: "MP4 viewers now", collect: () => this.#viewers.size });
  }

  async start(): Promise<void> {
    this.#tasks.every(TICK_MS, () => {
      for (const viewer of this.#viewers) viewer.tick();
    });
  }

  async stop(): Promise<void> {
    this.cutAll();
    await this.#tasks.close();
  }

  cutAll(): void {
    for (const viewer of this.#viewers) viewer.cut();
  }

  /** What a viewer gets who names this rung. @throws PlayoutError */
  choose(slug: string, name: string): Mp4Choice {
    const { streams } = this.#components;
    const stream = streams.findStream(slug);
    if (stream === undefined) throw new PlayoutError({ code: "PLAYOUT_STREAM_UNKNOWN" });
    this.#refusePaid(stream);
    const { renditions } = stream.window;
    const rung = name === BEST && !renditions.some((one) => one.name === BEST) ? undefined : name;
    const { video, audio } = chooseTracks(renditions, rung, () => true);
    if (stream.window.ended) {
      const [first, ...more] = [video, audio].filter((one) => one !== undefined);
      return { file: this.#findFile(stream, [first!, ...more]) };
    }
    const found = [video, audio].flatMap((one) => {
      const config = one === undefined ? undefined : configOf(stream, one);
      return one === undefined || config === undefined ? [] : [{ rung: one, config }];
    });
    const [first, ...more] = found;
    // Sound that has not begun is left out: a file names its tracks before the first of them.
    if (first === undefined || (video !== undefined && first.rung !== video)) {
      throw new PlayoutError({ code: "PLAYOUT_RUNG_EMPTY" });
    }
    return { stream, tracks: [first, ...more] };
  }

  /** @throws PLAYOUT_VIEWERS_EXCEEDED */
  takePlace(): void {
    const { maxViewers: limit } = this.#options;
    if (this.#viewers.size >= limit) throw new PlayoutError({ code: "PLAYOUT_VIEWERS_EXCEEDED", limit });
  }

  /** Writes the file into `response`, whose head has been written. */
  play({ stream, tracks }: LiveChoice, response: ServerResponse, who: Mp4Place): void {
    const onEnd = () => this.#viewers.delete(viewer);
    const viewer = new Mp4Viewer({ ...this.#partsOf(stream, who), stream, tracks, response, onEnd });
    this.#viewers.add(viewer);
    viewer.begin();
  }

  /** The bytes of a whole file, to be sent by `response`. */
  send(file: WholeFile, range: ByteRange, response: ServerResponse, who: Mp4Place): Readable {
    const onEnd = () => this.#viewers.delete(transfer);
    const transfer = new FileTransfer({ ...this.#partsOf(file.stream, who), file, range, response, onEnd });
    this.#viewers.add(transfer);
    return transfer.body;
  }

  #partsOf(stream: PlayedStream, { viewer, mayWatch }: Mp4Place) {
    const { audienceOf, logger } = this.#components;
    return {
      viewer,
      audience: audienceOf?.(stream),
      mayWatch: async () => {
        this.#refusePaid(stream);
        await mayWatch();
      },
      recheckMs: this.#options.recheckMs,
      nowMs: () => this.#clock.nowMs(),
      logger,
      onSent: (bytes: number) => this.#served.add(bytes),
    };
  }

  /** @throws PLAYOUT_STREAM_ENDED, PLAYOUT_CONFIG_CHANGED */
  #findFile(stream: KeptStream, rungs: readonly [number, ...number[]]): WholeFile {
    const files = this.#files.get(stream) ?? new Map<string, WholeFile>();
    this.#files.set(stream, files);
    const key = rungs.join(" ");
    const file = files.get(key) ?? makeWholeFile(stream, rungs);
    if (file === undefined) throw new PlayoutError({ code: "PLAYOUT_STREAM_ENDED" });
    files.set(key, file);
    return file;
  }

  #refusePaid(stream: PlayedStream): void {
    if (this.#components.isPaid?.(stream) === true) throw new PlayoutError({ code: "PLAYOUT_STREAM_PAID" });
  }
}

/** A rung's configuration now. @throws PLAYOUT_STREAM_ENDED */
function configOf(stream: PlayedStream, rung: number): TrackConfig | undefined {
  let found: TrackConfig | undefined;
  let isOver = false;
  const unfollow = stream.frames.follow(rung, {
    config: (_, config) => {
      found = config;
    },
    frame: () => {},
    takeBack: () => {},
    end: () => {
      isOver = true;
    },
  });
  unfollow();
  if (isOver) throw new PlayoutError({ code: "PLAYOUT_STREAM_ENDED" });
  return found;
}
