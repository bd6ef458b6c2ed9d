import { createHash } from "node:crypto";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type MetricsRegister, silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import type { MadeRendition, PublishInfo, PublishSink, SegmentSink } from "../publish-sink.ts";
import { PushError } from "./errors.ts";
import { HeldBytes } from "./held-bytes.ts";
import { KeysAsked } from "./keys-asked.ts";
import type { PushOptions } from "./options.ts";
import { type PushJudge, PushSession } from "./push-session.ts";
import type { PushedMedia } from "./pushed-media.ts";
import type { TakenSegment } from "./taken-segments.ts";
import { UploadReader } from "./upload-reader.ts";

export interface PushComponents {
  /** Says yes with a sink, no with a CodedError. `key` is a secret. */
  readonly authorize: (key: string, info: PublishInfo) => Promise<SegmentSink>;
  readonly logger: Logger;
  readonly metrics?: MetricsRegister;
  readonly clock?: Clock;
}

export interface PushRequest {
  /** A secret. */
  readonly key: string;
  readonly number: number;
  readonly address: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Asked before the segment is taken, where it is known what it would be made into. */
  readonly judge: PushJudge;
  /** The client left. */
  readonly gone: AbortSignal;
}

export interface PushedSegment {
  readonly media: PushedMedia;
  /** Of codecs that a transport stream carries, in the ladder's order. */
  readonly renditions: readonly MadeRendition[];
  /**
   * An answer of so many bytes counts as held until it is read; `giveUp` is called where that takes as long as no upload
   * may. @throws PUSH_SEGMENTS_WAITING, PUSH_MEMORY_FULL
   */
  readonly holdAnswer: (bytes: number, read: AbortSignal, giveUp: () => void) => void;
}

interface HeldAnswer {
  readonly bytes: number;
  readonly read: AbortSignal;
  readonly giveUp: () => void;
}

interface OpenStream {
  readonly opening: Promise<PushSession>;
  readonly lost: AbortController;
  /** Once it is known that the key may publish. */
  session: PushSession | undefined;
}

const SWEEP_MS = 1_000;

/** Takes streams that come as numbered segments, each in a request of its own, as a Livepeer gateway takes them. */
export class PushService implements Startable {
  readonly #components: Required<PushComponents>;
  readonly #options: PushOptions;
  readonly #tasks: TaskGroup;
  /** By the hash of their key: how long a look-up takes says nothing of a key. */
  readonly #streams = new Map<string, OpenStream>();
  readonly #ending = new Set<Promise<void>>();
  readonly #held: HeldBytes;
  readonly #uploads: UploadReader;
  readonly #asking = new KeysAsked();
  readonly #segments;
  #opened = 0;
  #stopped = false;

  constructor(components: PushComponents, options: PushOptions) {
    this.#components = { metrics: silentMetrics, clock: systemClock, ...components };
    this.#options = options;
    const { clock, logger, metrics } = this.#components;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Serve push failed", { error }) });
    this.#held = new HeldBytes(options.maxHeldBytes);
    this.#uploads = new UploadReader(options, clock, this.#held);
    this.#segments = metrics.counter({ name: "leat_push_segments_total", help: "Pushed segments that were taken" });
    metrics.gauge({ name: "leat_push_streams", help: "Pushed streams now", collect: () => this.#opened });
    metrics.gauge({
      name: "leat_push_held_bytes",
      help: "Pushed segments that come in or wait for their turn, and answers that are not read yet",
      collect: () => this.heldBytes,
    });
  }

  /** Of segments that come in or wait for their turn, and of answers that are not read yet. */
  get heldBytes(): number {
    return this.#held.bytes;
  }

  async start(): Promise<void> {
    this.#tasks.every(SWEEP_MS, () => this.#sweep());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const stopped = new PushError({ code: "PUSH_STOPPED" });
    await this.#tasks.close();
    const open = [...this.#streams.values()];
    for (const { lost } of open) lost.abort();
    for (const { opening } of open) (await opening.catch(() => undefined))?.end(stopped);
    await Promise.all(this.#ending);
  }

  /**
   * Takes the segment, and gives what was made of it; a client that is gone waits for nothing.
   * @throws PushError, and whatever `authorize` or the stream's sink says
   */
  async push({ key, number, address, body, judge, gone }: PushRequest): Promise<PushedSegment> {
    if (this.#stopped) throw new PushError({ code: "PUSH_STOPPED" });
    const session = await this.#find(key, address);
    let taken: TakenSegment;
    try {
      taken = await this.#uploads.use(body, (upload) => session.push(number, upload, judge));
    } catch (error) {
      // A publisher that sent nothing of use must not keep others away.
      if (session.isEmpty && session.idleSinceMs !== undefined) session.end(error);
      throw error;
    }
    this.#segments.add();
    return {
      media: taken.media,
      renditions: await this.#waitFor(taken.made, gone),
      holdAnswer: (bytes, read, giveUp) => this.#holdAnswer(session, { bytes, read, giveUp }),
    };
  }

  #holdAnswer(session: PushSession, { bytes, read, giveUp }: HeldAnswer): void {
    if (this.#stopped) throw new PushError({ code: "PUSH_STOPPED" });
    const endAnswer = session.beginAnswer();
    try {
      this.#held.add(bytes);
    } catch (error) {
      endAnswer();
      throw error;
    }
    this.#tasks.run(async (signal) => {
      const { clock } = this.#components;
      const isLate = await clock.sleep(this.#options.uploadMs, AbortSignal.any([signal, read])).then(
        () => true,
        () => false,
      );
      if (isLate) giveUp();
      endAnswer();
      this.#held.remove(bytes);
    });
  }

  async #waitFor<T>(made: Promise<T>, gone: AbortSignal): Promise<T> {
    const { answerMs } = this.#options;
    const done = new AbortController();
    const until = AbortSignal.any([done.signal, gone, this.#tasks.signal]);
    const late = this.#components.clock.sleep(answerMs, until).then(
      () => new PushError({ code: "PUSH_RENDITIONS_LATE", timeoutMs: answerMs }),
      () => new PushError({ code: gone.aborted ? "PUSH_UPLOAD_CUT" : "PUSH_STOPPED" }),
    );
    try {
      return await Promise.race([
        made,
        late.then((error) => {
          throw error;
        }),
      ]);
    } finally {
      done.abort();
    }
  }

  #find(key: string, address: string): Promise<PushSession> {
    const name = createHash("sha256").update(key).digest("hex");
    const known = this.#streams.get(name);
    if (known !== undefined) return known.opening;
    this.#requireRoom();
    const lost = new AbortController();
    const opening = this.#open(name, key, { protocol: "push", address, signal: lost.signal });
    const stream: OpenStream = { opening, lost, session: undefined };
    this.#streams.set(name, stream);
    opening.then(
      (session) => {
        stream.session = session;
      },
      () => this.#streams.delete(name),
    );
    return opening;
  }

  async #open(name: string, key: string, info: PublishInfo): Promise<PushSession> {
    const { clock, logger } = this.#components;
    const sink = await this.#ask(key, info);
    try {
      this.#requireRoom();
    } catch (error) {
      await endSink(sink, logger);
      throw error;
    }
    this.#opened += 1;
    const onOver = (error: unknown) => {
      this.#opened -= 1;
      this.#streams.delete(name);
      const code = isCodedError(error) ? error.code : undefined;
      logger[code === undefined ? "error" : "info"]("End pushed stream", {
        code,
        ...(code === undefined && { error }),
      });
      // HTTP push has no goodbye: a publisher that stops may always come back.
      const done: Promise<void> = endSink(sink, logger).finally(() => this.#ending.delete(done));
      this.#ending.add(done);
    };
    logger.info("Begin pushed stream", {});
    return new PushSession({ sink, clock, onOver }, this.#options);
  }

  /** Keys that nobody has must keep none out that somebody has: they take no place while they are asked about. */
  async #ask(key: string, info: PublishInfo): Promise<SegmentSink> {
    const leave = this.#asking.enter(info.address);
    try {
      return await this.#components.authorize(key, info);
    } finally {
      leave();
    }
  }

  #requireRoom(): void {
    const { maxStreams } = this.#options;
    if (this.#opened >= maxStreams) throw new PushError({ code: "PUSH_STREAMS_EXCEEDED", limit: maxStreams });
  }

  #sweep(): void {
    const { idleMs } = this.#options;
    const nowMs = this.#components.clock.nowMs();
    for (const { session } of [...this.#streams.values()]) {
      const sinceMs = session?.idleSinceMs;
      if (sinceMs === undefined || nowMs - sinceMs < idleMs) continue;
      session?.end(new PushError({ code: "PUSH_IDLE", timeoutMs: idleMs }));
    }
  }
}

async function endSink(sink: PublishSink, logger: Logger): Promise<void> {
  try {
    await sink.end({ clean: false });
  } catch (error) {
    logger.error("End push failed", { error });
  }
}
