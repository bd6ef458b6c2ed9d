import type { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { DescriptionMessage, MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { hashSegment } from "../jobs/packed-segment.ts";
import type { BalancerLine } from "./balancer-line.ts";
import { IngestError } from "./errors.ts";
import { FamilyPublisher } from "./family-publisher.ts";
import type { MadeRange } from "./made-range.ts";
import type { OriginComponents, OriginLimits } from "./origin-parts.ts";
import type { PublishedLog } from "./published-log.ts";
import type { SourceBuffer } from "./source-buffer.ts";
import type { SourceFacts } from "./source-segments.ts";
import { TranscodeLink, type TranscodeSource } from "./transcode-link.ts";
import type { Unpublished } from "./unpublished.ts";

export interface TranscodersParts {
  readonly components: OriginComponents;
  readonly limits: OriginLimits;
  readonly buffer: SourceBuffer;
  readonly unpublished: Unpublished;
  readonly published: PublishedLog;
  readonly line: BalancerLine;
  readonly tasks: TaskGroup;
  readonly description: () => DescriptionMessage;
  readonly partTargetMs: () => number;
  readonly tellPublished: (rungs: readonly number[], sequence: number) => void;
}

/** Those who make a stream's families at its origin: one for each job, and what each family has of them. */
export class Transcoders {
  readonly #parts: TranscodersParts;
  readonly #links = new Map<Hex, TranscodeLink>();
  #publishers: readonly FamilyPublisher[] = [];
  /** Whose family a job was seen to make. */
  readonly #publisherOfJob = new Map<Hex, FamilyPublisher>();
  /** Of a job the newest attempt that the balancer said is over. */
  readonly #over = new Map<Hex, number>();
  /** What the rest of a segment is judged by, made while its source was here: it may be gone when the receipt comes. */
  readonly #rests = new WeakMap<MadeRange, SourceFacts>();
  /** Segments that were taken, of which the balancer is not told yet. */
  readonly #telling = new Set<Promise<void>>();

  constructor(parts: TranscodersParts) {
    this.#parts = parts;
  }

  /** It is known which families there are. */
  begin(): void {
    this.#publishers = this.#parts.unpublished.tracks.map((track) => this.#createPublisher(track));
  }

  /** The source of a segment is whole. */
  completed(facts: SourceFacts): void {
    for (const publisher of this.#publishers) {
      const range = publisher.rangeOf(facts.boundary.sequence);
      if (range !== undefined) this.#keepRest(facts, range);
      publisher.completed();
    }
  }

  /** Whether viewers have pictures of a segment that is neither judged nor given up. */
  isShown(sequence: number): boolean {
    return this.#publishers.some((publisher) => publisher.isShown(sequence));
  }

  stop(error: IngestError): void {
    for (const link of this.#links.values()) link.stop(error);
  }

  /** Nothing more is made. Resolves when the balancer is told of all that was taken. */
  async finish(): Promise<void> {
    for (const publisher of this.#publishers) publisher.finish();
    await Promise.allSettled(this.#telling);
  }

  /** The attempt is over to the balancer: no segment of it passes any more. */
  close(job: Hex, attempt: number): void {
    this.#over.set(job, Math.max(attempt, this.#over.get(job) ?? 0));
    const held = this.#links.get(job);
    if (held !== undefined && held.attempt <= attempt) held.stop(new IngestError({ code: "INGEST_ATTEMPT_REPLACED" }));
  }

  /** Serves one transcoder until it leaves. One of a later attempt takes the place of another. */
  async serve(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> {
    const { components, limits, line, tasks } = this.#parts;
    const { job, attempt } = subscribe.assignment.value;
    const held = this.#links.get(job);
    if ((held !== undefined && held.attempt > attempt) || attempt <= (this.#over.get(job) ?? 0)) {
      await connection.send({ type: "refused", code: "INGEST_ATTEMPT_REPLACED" });
      return connection.close();
    }
    held?.stop(new IngestError({ code: "INGEST_ATTEMPT_REPLACED" }));
    const link = new TranscodeLink(connection, subscribe, this.#asSource(), components, limits);
    this.#links.set(job, link);
    try {
      await link.run();
    } catch (error) {
      const detail = error instanceof IngestError ? error.detail : undefined;
      if (detail?.code === "INGEST_CHECK_FAILED") {
        const { sequence, reason } = detail;
        components.logger.warn("Transcoded segment failed its check", { jobId: job, sequence, reason });
        await line.ask("job.failed", { job, attempt, code: "CHECK_FAILED", sequence }, tasks.signal);
      } else if (detail?.code === "INGEST_TRANSCODER_LATE") {
        components.logger.warn("Transcoder is too late", { jobId: job, segments: detail.segments });
        const late = { job, attempt, code: "TRANSCODING_TOO_LATE", sequence: null };
        await line.ask("job.failed", late, tasks.signal);
      } else if (detail?.code === "INGEST_PART_ENDLESS") {
        const { rung, sequence } = detail;
        components.logger.warn("Transcoder sends too many pictures for a part", { jobId: job, rung, sequence });
        const endless = { job, attempt, code: "TRANSCODING_PART_ENDLESS", sequence: null };
        await line.ask("job.failed", endless, tasks.signal);
      } else throw error;
    } finally {
      if (this.#links.get(job) === link) this.#links.delete(job);
    }
  }

  #asSource(): TranscodeSource {
    const { buffer, unpublished, description, partTargetMs } = this.#parts;
    return {
      readFrom: ({ sequence, rest }, signal) => {
        const facts = unpublished.knownFacts(sequence);
        if (rest !== undefined && facts !== undefined) this.#keepRest(facts, rest);
        return buffer.readFrom(sequence, signal, rest);
      },
      factsOf: (sequence, signal) => unpublished.factsOf(sequence, signal),
      restOf: (range) => this.#rests.get(range),
      publisherOfJob: (job) => this.#publisherOfJob.get(job),
      publisherOf: (rung, job) => this.#findPublisher(rung, job),
      isNextGone: ({ track }) => unpublished.isNextGone(track),
      firstToRead: () => buffer.firstToRead,
      beginAt: (publisher, sequence) => {
        publisher.beginAt(sequence);
        unpublished.skipTo(publisher.track, sequence);
      },
      take: (publisher, sequence) => this.#take(publisher, sequence),
      tellTaken: (publisher, sequence, reported) => this.#tellTaken(publisher, sequence, reported),
      description,
      partTargetMs,
    };
  }

  #findPublisher(rung: number, job: Hex): FamilyPublisher | undefined {
    const track = this.#parts.unpublished.trackOf(rung);
    const publisher = this.#publishers.find((other) => other.track === track);
    if (publisher !== undefined) this.#publisherOfJob.set(job, publisher);
    return publisher;
  }

  #createPublisher(track: FamilyPublisher["track"]): FamilyPublisher {
    const { published, unpublished, tasks } = this.#parts;
    const publisher: FamilyPublisher = new FamilyPublisher(track, {
      log: published,
      begun: (sequence) => unpublished.begunAt(sequence),
      isGone: (sequence) => unpublished.isGone(sequence),
      onAbandoned: (sequence) =>
        tasks.run(() => {
          this.#take(publisher, sequence);
          return this.#tellTaken(publisher, sequence, Promise.resolve());
        }),
    });
    return publisher;
  }

  /** What the rest of a segment is checked by: the source from there on, packed anew. */
  #keepRest(facts: SourceFacts, range: MadeRange): void {
    const { buffer, components } = this.#parts;
    const { sequence, fromPts, picture } = range;
    if (picture === 0) return;
    const { config, boundary } = facts;
    const frames = buffer.framesOf(sequence).filter(({ pts }) => pts >= fromPts);
    if (frames.length !== facts.frames.length - picture) return;
    const partTargetMs = this.#parts.partTargetMs();
    const packed = components.pack({ rung: SOURCE_RUNG, sequence, config, frames, partTargetMs });
    const inputHash = bytesToHex(hashSegment(packed));
    this.#rests.set(range, {
      ...facts,
      frames: facts.frames.filter(({ pts }) => pts >= fromPts),
      boundary: { ...boundary, pts: fromPts, firstFrame: boundary.firstFrame + picture },
      inputHash: () => inputHash,
      durationTicks: packed.totals.durationTicks,
    });
  }

  /** A family's segment is judged, or given up by all: nobody makes it any more. */
  #take(publisher: FamilyPublisher, sequence: number): void {
    this.#parts.unpublished.published(publisher.track, sequence);
    publisher.settle(sequence);
  }

  #tellTaken({ track }: FamilyPublisher, sequence: number, reported: Promise<void>): Promise<void> {
    const rungs = track.renditions.map(({ rung }) => rung);
    const telling = reported.then(() => this.#parts.tellPublished(rungs, sequence));
    this.#telling.add(telling);
    return telling.finally(() => this.#telling.delete(telling));
  }
}
