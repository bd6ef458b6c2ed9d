import type { SourceConfig } from "@leat/sdk/protocol/frame.ts";
import { isSameConfig } from "@leat/sdk/protocol/frame.ts";
import { type DemuxedItem, MAX_CONFIG_CHANGES } from "@leat/sdk/protocol/published.ts";
import { TsClock } from "@leat/transcoder/mpegts/ts-clock.ts";
import type { Clock } from "../../kernel/clock.ts";
import { placeTags } from "../place-tags.ts";
import { passItems, type RungShape, type SegmentSink } from "../publish-sink.ts";
import { PushError } from "./errors.ts";
import type { PushOptions } from "./options.ts";
import { describeMedia, type PushedMedia } from "./pushed-media.ts";
import { readSegment } from "./segment-reader.ts";
import { type SegmentName, type TakenSegment, TakenSegments } from "./taken-segments.ts";

export interface Upload {
  readonly bytes: Uint8Array;
  /** SHA-256, as hex. */
  readonly digest: string;
}

/** Throws where what the segment would be made into is not what its client asks for. */
export type PushJudge = (media: PushedMedia, rungs: readonly RungShape[]) => void;

export interface PushSessionParts {
  readonly sink: SegmentSink;
  readonly clock: Clock;
  /** The stream can take nothing more: called once, with what ended it. */
  readonly onOver: (error: unknown) => void;
}

/** A segment that somebody is sending, or that waits for its turn. */
interface Hand {
  readonly number: number;
}

/** What a transport stream carries, and an answer can be made of. */
const tsCodecs = ["h264", "hevc"] as const;
/** A client has two or three under way at once, and sends one again that it did not hear of. */
const MAX_IN_HAND = 8;
/** As many as are answered again. */
const MAX_ANSWERS = 8;

/**
 * One stream's segments, which come by themselves, in any order and more than once: they are taken whole, in the order
 * of their numbers, each once. Numbers may leave some out.
 */
export class PushSession {
  readonly #parts: PushSessionParts;
  readonly #options: PushOptions;
  readonly #hands = new Set<Hand>();
  readonly #taken = new TakenSegments();
  readonly #configs = new Map<SourceConfig["kind"], SourceConfig>();
  #clock = new TsClock();
  #isTaking = false;
  #answers = 0;
  #configChanges = 0;
  #lastUseMs: number;
  #over: { readonly error: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(parts: PushSessionParts, options: PushOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#lastUseMs = parts.clock.nowMs();
  }

  /** Nobody sends and nothing waits since then; undefined while somebody does. */
  get idleSinceMs(): number | undefined {
    return this.#hands.size > 0 ? undefined : this.#lastUseMs;
  }

  /** Nothing was ever taken. */
  get isEmpty(): boolean {
    return this.#taken.newest === undefined;
  }

  /**
   * Takes what `upload` gives in its turn, where `judge` has nothing against it. Resolves when it is handed on.
   * @throws PushError, and what ended the stream
   */
  async push(number: number, upload: () => Promise<Upload>, judge: PushJudge = () => {}): Promise<TakenSegment> {
    this.#assertOpen();
    if (this.#hands.size >= MAX_IN_HAND) throw new PushError({ code: "PUSH_SEGMENTS_WAITING", limit: MAX_IN_HAND });
    const hand = { number };
    this.#hands.add(hand);
    try {
      const { bytes, digest } = await upload();
      await this.#takeTurn(hand);
      try {
        this.#assertOpen();
        return await this.#take({ number, digest }, bytes, judge);
      } finally {
        this.#isTaking = false;
      }
    } finally {
      this.#hands.delete(hand);
      this.#lastUseMs = this.#parts.clock.nowMs();
      this.#tellChange();
    }
  }

  /** Somebody is sent an answer, until the returned function is called. @throws PUSH_SEGMENTS_WAITING */
  beginAnswer(): () => void {
    if (this.#answers >= MAX_ANSWERS) throw new PushError({ code: "PUSH_SEGMENTS_WAITING", limit: MAX_ANSWERS });
    this.#answers += 1;
    return () => {
      this.#answers -= 1;
    };
  }

  /** The publisher is taken for lost, or the node stops: whoever waits hears `error`. */
  end(error: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#tellChange();
    this.#parts.onOver(error);
  }

  /** The turn is taken in the moment in which it is free: others wait for the same. */
  async #takeTurn(hand: Hand): Promise<void> {
    const { clock } = this.#parts;
    const { reorderMs } = this.#options;
    const done = new AbortController();
    let isLate = reorderMs === 0;
    // Not by the clock: a timer may go off before the clock shows its time, and nothing would wake this again.
    const patience = clock.sleep(reorderMs, done.signal).then(
      () => {
        isLate = true;
        this.#tellChange();
      },
      () => {},
    );
    try {
      while (!this.#isTurnOf(hand, isLate)) await this.#changed.promise;
      this.#isTaking = true;
    } finally {
      done.abort();
      await patience;
    }
  }

  #isTurnOf(hand: Hand, isLate: boolean): boolean {
    if (this.#over !== undefined) return true;
    if (this.#isTaking || [...this.#hands].some(({ number }) => number < hand.number)) return false;
    const { newest } = this.#taken;
    return isLate || newest === undefined || hand.number <= newest + 1;
  }

  #assertOpen(): void {
    if (this.#over !== undefined) throw this.#over.error;
  }

  #tellChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async #take(segment: SegmentName, bytes: Uint8Array, judge: PushJudge): Promise<TakenSegment> {
    const known = this.#taken.find(segment, this.#parts.clock.nowMs());
    if (known !== undefined) return known;
    const clock = this.#clock.fork();
    const items = await readSegment(bytes, clock, this.#options.maxSegmentMs);
    const { sink } = this.#parts;
    const media = describeMedia(items);
    // Before anything is paid for.
    const foreseen = media.picture === undefined ? [] : sink.foresee(media.picture, tsCodecs);
    if (foreseen.length > 0) judge(media, foreseen);
    this.#countConfigs(items);
    this.#assertOpen();
    let made: TakenSegment["made"];
    try {
      await passItems(sink, placeTags(items));
      made = sink.endSegment(media.durationMs, tsCodecs);
    } catch (error) {
      this.end(error);
      throw error;
    }
    // Whoever waits for it hears of it.
    made.catch(() => {});
    const taken = { ...segment, media, made };
    this.#clock = clock;
    this.#taken.add(taken, this.#parts.clock.nowMs());
    return taken;
  }

  #countConfigs(items: readonly DemuxedItem[]): void {
    for (const item of items) {
      if (item.type !== "config") continue;
      const before = this.#configs.get(item.config.kind);
      this.#configs.set(item.config.kind, item.config);
      if (before === undefined || isSameConfig(before, item.config)) continue;
      this.#configChanges += 1;
    }
    if (this.#configChanges > MAX_CONFIG_CHANGES) {
      throw new PushError({ code: "PUSH_CONFIG_CHANGES_EXCEEDED", limit: MAX_CONFIG_CHANGES });
    }
  }
}
