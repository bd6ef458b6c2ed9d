import { FrameRelay, type LiveFrames } from "@leat/node/media/live-frames.ts";
import { type Part, partTargetTicks, SegmentPackager } from "@leat/node/media/packager.ts";
import { RunningHash } from "@leat/node/media/running-hash.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import type { Cue } from "@leat/sdk/protocol/cue.ts";
import { type Frame, isSameConfig, type TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { type OriginSigning, OwnMessage } from "../jobs/own-message.ts";
import { OwnPartMark } from "../jobs/own-part-mark.ts";
import { OwnProgress } from "../jobs/own-progress.ts";
import { OwnSegmentEnd } from "../jobs/own-segment-end.ts";
import { hashPart, type PackedPart, sha256 } from "../jobs/packed-segment.ts";
import { ProgressCount } from "../jobs/progress-count.ts";
import { hashHead } from "../jobs/segment-head.ts";
import {
  keepWithin,
  type LogEntry,
  SegmentLog,
  type SegmentLogOptions,
  type VersionedConfig,
} from "../jobs/segment-log.ts";

/** One rung's segment, about to be published frame by frame. */
export interface SegmentOpening {
  readonly rung: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly firstFrame: number;
  readonly discontinuity: boolean;
  readonly wallClockMs: number;
  readonly config: TrackConfig;
}

interface OpenSegment {
  readonly rung: number;
  readonly sequence: number;
  readonly config: VersionedConfig;
  readonly packager: SegmentPackager;
  /** Begins with every segment's own head, so that an edge may join at any. */
  readonly chain: RunningHash;
  /** What is kept of the frames that are in no whole part yet. */
  openFrames: LogEntry[];
}

export interface PublishedLogOptions extends SegmentLogOptions, OriginSigning {
  /** Asked when there is something to publish. */
  readonly partTargetMs: () => number;
  /** Whom it hands frames to as they are published. */
  readonly frames?: FrameRelay;
  /** What a segment names that begins now. */
  readonly cues?: () => readonly Cue[];
  /** A mark cannot be signed. No edge can go on without it, so nothing more is published. Called once. */
  readonly onFault: (error: unknown) => void;
}

/** What edges pull: frames of all rungs as they are published, with the origin's signed running hash after every part and at every end. */
export class PublishedLog {
  readonly #log: SegmentLog;
  readonly #options: PublishedLogOptions;
  readonly #open = new Map<number, OpenSegment>();
  readonly #configs = new Map<number, VersionedConfig>();
  readonly #relay: FrameRelay;
  readonly #count = new ProgressCount();
  #newest = { rung: 0, sequence: 0, parts: 0 };
  #failed = false;

  constructor(options: PublishedLogOptions) {
    this.#options = options;
    this.#log = new SegmentLog(options);
    this.#relay = options.frames ?? new FrameRelay();
  }

  /** The same frames for who serves them here. */
  get frames(): LiveFrames {
    return this.#relay;
  }

  /** Messages that are held for edges. */
  get size(): number {
    return this.#log.size;
  }

  get closed(): boolean {
    return this.#log.closed;
  }

  /** Begins a segment of a rung; one of the same number that has no part yet begins anew. */
  open({ rung, config: offered, ...place }: SegmentOpening): void {
    const config = this.#versionOf(rung, offered);
    const { sequence } = place;
    const partTargetMs = this.#options.partTargetMs();
    const packager = new SegmentPackager({
      config: offered,
      sequence,
      partTargetTicks: partTargetTicks(offered.timescale, partTargetMs),
      findsCaptions: true,
    });
    const cues = this.#options.cues?.() ?? [];
    const named = cues.length === 0 ? {} : { cues };
    const message = { type: "segmentStart", rung, configVersion: config.version, ...place, ...named } as const;
    const chain = new RunningHash(sha256, hashHead(message, offered));
    this.#open.set(rung, { rung, sequence, config, packager, chain, openFrames: [] });
    this.#log.append({ rung, sequence, message, config });
    this.#relay.config(rung, config.version, config.config);
  }

  /** Gives the part that the frame closes, if it closes one. */
  push(rung: number, frame: Frame): PackedPart | undefined {
    const open = this.#need(rung);
    const { sequence, config, packager } = open;
    const published = frame.configVersion === config.version ? frame : { ...frame, configVersion: config.version };
    const packed = this.#mark(open, packager.push(published), false);
    const message = { type: "frame", rung, sequence, frame: published } as const;
    open.openFrames.push(this.#log.append({ rung, sequence, message }));
    this.#relay.frame(rung, sequence, published);
    return packed;
  }

  /** Makes the frames void that are in no whole part yet. */
  restartPart(rung: number): void {
    const open = this.#need(rung);
    const { sequence, packager } = open;
    const dropped = packager.dropOpen();
    open.openFrames = [];
    this.#log.append({ rung, sequence, message: { type: "partRestart", rung, sequence } });
    this.#relay.takeBack(rung, dropped);
  }

  /** Closes the rung's segment; gives its last part. */
  end(rung: number): PackedPart | undefined {
    const open = this.#need(rung);
    const { sequence, packager } = open;
    this.#open.delete(rung);
    const packed = this.#mark(open, packager.finish(), true);
    const { parts: part, ...totals } = packager.totals;
    const message = new OwnSegmentEnd({ rung, sequence, part, runningHash: open.chain.end() }, totals);
    this.#log.append({ rung, sequence, message });
    return packed;
  }

  /** Says to edges how far it is; to those alone that read all of that. Whoever needs it asks often enough. */
  tellProgress(nowMs: number): void {
    if (!this.closed && this.#count.advance(nowMs)) {
      this.#log.tell(new OwnProgress({ atMs: this.#count.ms, ...this.#newest }));
    }
  }

  /** Nothing more of the rung's segment comes, and nothing of it was published. */
  abandon(rung: number): void {
    this.#open.delete(rung);
  }

  /** Nothing more will be published; edges get what is there and then the end. */
  close(): void {
    this.#log.close();
    this.#relay.end();
  }

  /**
   * The messages of all segments from `fromSequence` on, oldest first, then live ones. `isOwn`: for an edge of this very
   * process, which gets parts along with their marks, no frames and no signatures.
   */
  async *readFrom(fromSequence: number, signal: AbortSignal, isOwn = false): AsyncGenerator<MediaMessage, void> {
    for await (const message of this.#log.readFrom(fromSequence, signal, isOwn)) {
      yield message instanceof OwnMessage && !isOwn ? await this.#sign(message) : message;
    }
  }

  /** Whoever made it: a version names one configuration for the stream's life here. */
  #versionOf(rung: number, config: TrackConfig): VersionedConfig {
    const known = this.#configs.get(rung);
    if (known !== undefined && isSameConfig(known.config, config)) return known;
    const next = { version: (known?.version ?? -1) + 1, config };
    this.#configs.set(rung, next);
    return next;
  }

  #need(rung: number): OpenSegment {
    const open = this.#open.get(rung);
    if (open === undefined) throw new Error(`no open segment of rung ${rung}`);
    return open;
  }

  #mark(open: OpenSegment, part: Part | undefined, isLast: boolean): PackedPart | undefined {
    if (part === undefined) return undefined;
    const { rung, sequence, chain, openFrames } = open;
    const packed = hashPart(part);
    const runningHash = chain.add(packed.sha256);
    const message = new OwnPartMark({ rung, sequence, runningHash }, packed, isLast);
    this.#log.append({ rung, sequence, message });
    open.openFrames = [];
    keepWithin(packed, openFrames);
    const parts = packed.index + 1;
    const { sequence: newest, parts: known } = this.#newest;
    if (sequence > newest || (sequence === newest && parts > known)) this.#newest = { rung, sequence, parts };
    return packed;
  }

  /** Nobody gets what stands behind a mark that cannot be signed. */
  async #sign(message: OwnMessage<MediaMessage>): Promise<MediaMessage> {
    try {
      return await message.signed(this.#options);
    } catch (error) {
      if (!this.#failed) this.#options.onFault(error);
      this.#failed = true;
      throw error;
    }
  }
}
