import type { Clock } from "@leat/node/kernel/clock.ts";
import type { FrameRelay } from "@leat/node/media/live-frames.ts";
import type { MediaConnection, ProgressMessage, SubscribeMessage, Wish } from "@leat/node/wire/media/message.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { type EdgeSource, serveEdge } from "../jobs/edge-link.ts";
import { DeliveryError } from "./errors.ts";
import { RelayedLog, type RelayFeed } from "./relayed-log.ts";

export interface FeedLimits {
  /** Other edges that this one feeds of one stream. */
  readonly feeds: number;
  readonly keptSegments: number;
  readonly unfedSegments: number;
  readonly lagMs: number;
  readonly silenceMs: number;
}

interface Link {
  readonly connection: MediaConnection;
  wish: Wish;
}

/**
 * Hands a stream on as its origin published it, to viewers by frames and to other edges. What those get is in no
 * receipt.
 */
export class EdgeFeed {
  readonly #clock: Clock;
  readonly #limits: FeedLimits;
  readonly #frames: FrameRelay;
  readonly #onWish: () => void;
  /** Whom it feeds, by the other edge's job, and what viewers there need. */
  readonly #links = new Map<Hex, Link>();
  #log: RelayedLog;
  #origin: Address;
  /** Aborts when what is handed on goes no further. */
  #over = new AbortController();
  /** Since when nothing comes in; undefined while a holder is heard. */
  #cutOffAtMs: number | undefined;
  /** A holder said since then that it serves. */
  #isPromised = false;

  constructor(origin: Address, clock: Clock, limits: FeedLimits, frames: FrameRelay, onWish: () => void) {
    this.#origin = origin;
    this.#clock = clock;
    this.#limits = limits;
    this.#frames = frames;
    this.#onWish = onWish;
    this.#log = this.#createLog();
    this.#cutOffAtMs = clock.nowMs();
  }

  /** How many edges it feeds now. */
  get size(): number {
    return this.#links.size;
  }

  /** Whether another edge has a viewer of the rung. */
  isWished(rung: number): boolean {
    return [...this.#links.values()].some(({ wish }) => wish.rungs.includes(rung));
  }

  /** Whether another edge has viewers who lose time where the origin does. */
  get isHurried(): boolean {
    return [...this.#links.values()].some(({ wish }) => wish.hurry);
  }

  /** What the holder that is asked now brings is handed on. */
  begin(): RelayFeed {
    return this.#log.feed();
  }

  /** What its origin says of the stream came in, and all that it says that there is. */
  tell(progress: ProgressMessage): void {
    this.#log.tell(progress);
    this.heard();
  }

  /**
   * The stream comes in: its origin answers, or another holder brought some of it, or a new word of the origin. That one
   * is there says nothing.
   */
  heard(): void {
    this.#cutOffAtMs = undefined;
    this.#isPromised = false;
  }

  /**
   * A holder serves: of a source that sends a picture now and then its first part takes until the next one. Only the
   * first such word counts, since one that says no more could give it over and over.
   */
  promised(): void {
    if (this.#cutOffAtMs === undefined || this.#isPromised) return;
    this.#cutOffAtMs = this.#clock.nowMs();
    this.#isPromised = true;
  }

  /** The holder serves no more. Edges that are fed wait for the next one, for as long as they would for a silent one. */
  cutOff(): void {
    this.#cutOffAtMs ??= this.#clock.nowMs();
  }

  /** Frames come from another origin, which did not sign what came before: edges ask anew once they know it too. */
  restart(origin: Address): void {
    this.stop(new DeliveryError({ code: "DELIVERY_ORIGIN_CHANGED" }));
    this.#origin = origin;
    this.#over = new AbortController();
    this.#log.abandon();
    this.#log = this.#createLog();
  }

  /** The stream is over at its origin: edges get the rest. */
  end(): void {
    this.#log.close();
  }

  /** Feeds nobody any more. */
  stop(reason: DeliveryError): void {
    this.#over.abort(reason);
    for (const { connection } of this.#links.values()) connection.abort(reason);
  }

  /** Serves another edge until it leaves, or says why not. */
  serve(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> | string {
    if (subscribe.spec.primitive !== "delivery" || subscribe.origin !== this.#origin) return "DELIVERY_ORIGIN_OTHER";
    if (this.#over.signal.aborted) return "DELIVERY_ENDED";
    const { job } = subscribe.assignment.value;
    // Whoever asks again has left, whether this was heard or not: one job is one link.
    const before = this.#links.get(job);
    if (before === undefined && this.#links.size >= this.#limits.feeds) return "DELIVERY_FEEDS_FULL";
    before?.connection.abort(new DeliveryError({ code: "DELIVERY_ASKED_AGAIN" }));
    const link: Link = { connection, wish: { rungs: [], hurry: false } };
    this.#links.set(job, link);
    const onWish = (wish: Wish) => {
      link.wish = wish;
      this.#onWish();
    };
    const log = this.#log;
    const source: EdgeSource = {
      clock: this.#clock,
      read: (fromSequence, signal) => log.readFrom(fromSequence, signal),
      isAlive: () => this.#isAlive,
      onWish,
    };
    return serveEdge(connection, subscribe, source, this.#over.signal).finally(() => {
      if (this.#links.get(job) === link) this.#links.delete(job);
      this.#onWish();
    });
  }

  get #isAlive(): boolean {
    return this.#cutOffAtMs === undefined || this.#clock.nowMs() - this.#cutOffAtMs < this.#limits.silenceMs;
  }

  #createLog(): RelayedLog {
    const { keptSegments, unfedSegments, lagMs } = this.#limits;
    const lag = { clock: this.#clock, maxMs: lagMs };
    return new RelayedLog(this.#frames, { keptSegments, unwatchedSegments: unfedSegments, lag });
  }
}
