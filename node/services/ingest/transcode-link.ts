import type { Clock } from "@leat/node/kernel/clock.ts";
import { MAX_PART_FRAMES, PackagerError } from "@leat/node/media/packager.ts";
import type { FrameMessage, MediaConnection, MediaMessage, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import { type Receipt, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { Checking } from "../checking/index.ts";
import { Outgoing } from "../jobs/outgoing.ts";
import type { PackedSegment, PackSegment } from "../jobs/packed-segment.ts";
import { IngestError } from "./errors.ts";
import type { FamilyPublisher } from "./family-publisher.ts";
import type { MadeRange } from "./made-range.ts";
import { type MadeRung, RungIntake } from "./rung-intake.ts";
import type { SourceEntry } from "./source-buffer.ts";
import type { SourceFacts } from "./source-segments.ts";

/** From which segment on a transcoder works, and where within the first. */
export interface StartOfWork {
  readonly sequence: number;
  readonly rest?: MadeRange;
}

/** What a link to a transcoder sees of its origin. */
export interface TranscodeSource {
  /** From what is not published yet of what the job makes; whatever the transcoder asked to begin with. */
  readFrom(start: StartOfWork, signal: AbortSignal): AsyncIterable<SourceEntry>;
  /** The facts of a segment, once its source is complete; undefined when they are gone or will never be. */
  factsOf(sequence: number, signal: AbortSignal): Promise<SourceFacts | undefined>;
  /** The same of the rest of a segment; undefined where its source was never here in whole. */
  restOf(range: MadeRange): SourceFacts | undefined;
  /** Whose family the job was known to make before. */
  publisherOfJob(job: Hex): FamilyPublisher | undefined;
  publisherOf(rung: number, job: Hex): FamilyPublisher | undefined;
  /** Whether the source of the family's next segment is gone, so that a later one may follow. */
  isNextGone(publisher: FamilyPublisher): boolean;
  /** The oldest segment at which a transcoder may begin and keep its place. */
  firstToRead(): number | undefined;
  /** The family's transcoder begins at this segment: what it lacks before is given up. */
  beginAt(publisher: FamilyPublisher, sequence: number): void;
  /** The segment passed its check: nobody else is paid for it. */
  take(publisher: FamilyPublisher, sequence: number): void;
  /** Tells the balancer of a segment that was taken, when the result of its check is on disk. */
  tellTaken(publisher: FamilyPublisher, sequence: number, reported: Promise<void>): Promise<void>;
  readonly description: () => MediaMessage;
  readonly partTargetMs: () => number;
}

export interface TranscodeLinkComponents {
  readonly statements: Statements;
  readonly domain: Domain;
  readonly checking: Checking;
  readonly pack: PackSegment;
  readonly clock: Clock;
}

/** Why a segment without a fault is not paid: it is out, was too old to be shown, or nothing is left to judge it by. */
type PassedOver = "INGEST_SEGMENT_PUBLISHED" | "INGEST_SEGMENT_TOO_LATE" | "INGEST_SOURCE_GONE";
/** What a transcoder hears the verdict of before its link ends. */
const lastWords: readonly string[] = ["INGEST_CHECK_FAILED", "INGEST_TRANSCODER_LATE"];
/** Its viewers wait for another one meanwhile. */
const lastWordsMs = 1_000;
/** So many in a row came too late: one or two do where a transcoder was held up and catches up. */
const lateSegments = 3;

/** Bytes on their way to a slow transcoder before the replay waits for it. */
const outgoingBytes = 4_194_304;
/** Source frames stop at the limit above and one largest frame; what is beyond it are answers that nobody reads. */
const longestOutgoingBytes = 16_777_216;

/** One transcoder of one job: source frames out, rungs in, which are published as they come, and receipts to judge. */
export class TranscodeLink {
  readonly #connection: MediaConnection;
  readonly #subscribe: SubscribeMessage;
  readonly #source: TranscodeSource;
  readonly #components: TranscodeLinkComponents;
  readonly #outgoing: Outgoing;
  readonly #intake: RungIntake;
  readonly #gone = new AbortController();
  readonly #maker: string;
  #publisher: FamilyPublisher | undefined;
  #start: StartOfWork;
  /** It began later than it was to. */
  #skipped = false;
  /** Segments since the last good one that nobody was shown, since their source was gone. */
  #late = 0;

  constructor(
    connection: MediaConnection,
    subscribe: SubscribeMessage,
    source: TranscodeSource,
    components: TranscodeLinkComponents,
    limits: { readonly intakeBytes: number },
  ) {
    this.#connection = connection;
    this.#subscribe = subscribe;
    this.#source = source;
    this.#components = components;
    this.#outgoing = new Outgoing(connection, outgoingBytes);
    const { assignment, spec } = subscribe;
    const { job, attempt } = assignment.value;
    this.#maker = `${job}/${attempt}`;
    const rungs = spec.primitive === "transcode" ? spec.rungs.map(({ rung }) => rung) : [];
    this.#intake = new RungIntake(new Set(rungs), limits.intakeBytes);
    this.#start = { sequence: subscribe.fromSequence };
  }

  get attempt(): number {
    return this.#subscribe.assignment.value.attempt;
  }

  /**
   * Resolves when the transcoder closed. Rejects with INGEST_CHECK_FAILED for work that must not be paid, with
   * INGEST_TRANSCODER_LATE or INGEST_PART_ENDLESS for one that another should replace, with another IngestError for a peer that does not keep to the protocol, and with what broke the connection.
   */
  async run(): Promise<void> {
    this.#publisher = this.#source.publisherOfJob(this.#subscribe.assignment.value.job);
    this.#start = this.#publisher?.attach(this.#maker, this.#subscribe.fromSequence) ?? this.#start;
    this.#beginInTime();
    this.#outgoing.enqueue({ type: "accepted" });
    this.#outgoing.enqueue(this.#source.description());
    const sending = this.#sendSource();
    sending.catch((error: unknown) => this.stop(error as Error));
    try {
      for await (const message of this.#connection.messages) {
        await this.#handle(message);
        // Never wait for room here: the peer may be waiting to be read, and both would wait for ever.
        this.#boundOutgoing();
      }
      // A transcoder that leaves before the end of the source takes nothing more.
      this.#gone.abort();
      await sending;
      await this.#outgoing.flushed();
      await this.#connection.close();
    } catch (error) {
      const reason =
        this.#gone.signal.aborted && this.#gone.signal.reason instanceof IngestError ? this.#gone.signal.reason : error;
      if (reason instanceof IngestError && lastWords.includes(reason.code)) await this.#flushLastWords();
      this.#gone.abort();
      this.#connection.abort(reason instanceof Error ? reason : new Error("transcode link failed"));
      await sending.catch(() => {});
      throw reason;
    }
  }

  /** The verdict should reach the transcoder before the connection ends, unless it is too slow to read what stands before it. */
  async #flushLastWords(): Promise<void> {
    const over = new AbortController();
    const patience = this.#components.clock.sleep(lastWordsMs, over.signal);
    await Promise.race([this.#outgoing.flushed(), patience]).catch(() => {});
    over.abort();
    await patience.catch(() => {});
  }

  /** One that begins at the end of what is kept would lose its place, and make for nothing what came before that. */
  #beginInTime(): void {
    const first = this.#source.firstToRead();
    if (first === undefined || this.#start.sequence >= first) return;
    this.#start = { sequence: first };
    this.#skipped = true;
    if (this.#publisher !== undefined) this.#source.beginAt(this.#publisher, first);
  }

  /** A peer that sends and does not read is cut off. */
  #boundOutgoing(): void {
    const { sizeBytes } = this.#outgoing;
    if (sizeBytes <= longestOutgoingBytes) return;
    throw new IngestError({ code: "INGEST_PEER_NOT_READING", sizeBytes, maxBytes: longestOutgoingBytes });
  }

  stop(error: Error): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort(error);
    this.#connection.abort(error);
  }

  async #sendSource(): Promise<void> {
    const { signal } = this.#gone;
    try {
      for await (const entry of this.#source.readFrom(this.#start, signal)) {
        this.#outgoing.enqueue(toMessage(entry));
        await this.#outgoing.room();
      }
      this.#outgoing.enqueue({ type: "end", code: "STREAM_ENDED" });
    } catch (error) {
      if (signal.aborted) return;
      if (!isCodedError(error) || error.code !== "INGEST_READER_BEHIND") throw error;
      throw new IngestError({ code: "INGEST_TRANSCODER_LATE", segments: this.#late }, { cause: error });
    }
  }

  async #handle(message: MediaMessage): Promise<void> {
    switch (message.type) {
      case "config":
        return this.#intake.takeConfig(message);
      case "frame":
        return this.#takeFrame(message);
      case "receipt":
        return this.#judge(message.receipt, message.leaves);
      default:
        throw new IngestError({ code: "INGEST_MESSAGE_UNEXPECTED", found: message.type });
    }
  }

  #takeFrame(message: FrameMessage): void {
    const made = this.#intake.takeFrame(message);
    // One that was replaced publishes nothing more.
    if (this.#gone.signal.aborted) return;
    if (this.#publisher === undefined) {
      this.#publisher = this.#source.publisherOf(message.rung, this.#subscribe.assignment.value.job);
      this.#publisher?.attachLate(this.#maker);
      if (this.#publisher !== undefined && this.#skipped) this.#source.beginAt(this.#publisher, this.#start.sequence);
    }
    try {
      this.#publisher?.take(message.rung, made);
    } catch (error) {
      if (error instanceof PackagerError) this.#refuse(message.sequence, "INGEST_FRAMES_INVALID");
      throw error;
    }
  }

  async #judge(receipt: Signed<Receipt>, leaves: readonly PartLeaf[]): Promise<void> {
    this.#checkSigner(receipt);
    const sequence = Number(receipt.value.seq);
    const made = this.#intake.close(sequence);
    const publisher = this.#publisher;
    if (publisher === undefined) return this.#refuse(sequence, "INGEST_RUNG_UNKNOWN");
    const { track } = publisher;
    // What viewers have of this attempt is judged however late its receipt comes: source frames are kept for a while only.
    if (sequence < track.next && publisher.find(sequence, this.#maker) === undefined) {
      return track.isSkipped(sequence) ? this.#missed(sequence) : this.#passOver(sequence, "INGEST_SEGMENT_PUBLISHED");
    }
    const whole = await this.#source.factsOf(sequence, this.#gone.signal);
    if (whole === undefined) return this.#refuse(sequence, "INGEST_SEGMENT_UNKNOWN");
    // Whatever the transcoder asked to begin with: what can still be made is not left out.
    if (sequence > track.next && !this.#source.isNextGone(publisher)) {
      return this.#refuse(sequence, "INGEST_SEGMENT_SKIPPED");
    }
    const range = publisher.find(sequence, this.#maker);
    const rest = range ?? (this.#start.rest?.sequence === sequence ? this.#start.rest : undefined);
    const facts = rest === undefined || rest.picture === 0 ? whole : this.#source.restOf(rest);
    if (facts === undefined) {
      publisher.giveUp(sequence, this.#maker);
      return this.#passOver(sequence, "INGEST_SOURCE_GONE");
    }
    const packed = range === undefined ? this.#packAll(sequence, made, rest?.part) : publisher.packedAs(range, made);
    if (packed === undefined) return this.#refuse(sequence, "INGEST_FRAMES_INVALID");
    const rungs = made.map((rung, at) => ({ ...rung, packed: packed[at]! }));
    const { checking } = this.#components;
    const fault = checking.checkSegment({
      receipt,
      leaves,
      renditions: track.renditions,
      rungs,
      source: { ...facts, inputHash: facts.inputHash(), firstFrame: facts.boundary.firstFrame },
    });
    // What is told to have passed is paid: it is taken first, lest another attempt be paid for it as well.
    const isTaken = fault === undefined && this.#take(publisher, sequence, range === undefined ? made : undefined);
    if (fault === undefined && !isTaken) return this.#passOver(sequence, "INGEST_SEGMENT_PUBLISHED");
    const reported = checking.report(receipt.value, fault);
    if (fault !== undefined) {
      await reported;
      return this.#refuse(sequence, fault);
    }
    this.#late = 0;
    await this.#source.tellTaken(publisher, sequence, reported);
    this.#outgoing.enqueue({ type: "verdict", sequence, ok: true });
  }

  /** False where another attempt was faster, or has this one's place. `unpublished`: what is to be published for it. */
  #take(publisher: FamilyPublisher, sequence: number, unpublished: readonly MadeRung[] | undefined): boolean {
    if (this.#gone.signal.aborted) return false;
    if (unpublished !== undefined) {
      if (sequence < publisher.track.next || !publisher.publishWhole(sequence, unpublished)) return false;
    }
    this.#source.take(publisher, sequence);
    return true;
  }

  /**
   * Undefined for frames that no packager takes: times that go back, or of two epochs.
   * @throws INGEST_PART_ENDLESS
   */
  #packAll(sequence: number, made: readonly MadeRung[], firstPart = 0): PackedSegment[] | undefined {
    const partTargetMs = this.#source.partTargetMs();
    let packed: PackedSegment[];
    try {
      packed = made.map((rung) => this.#components.pack({ ...rung, sequence, partTargetMs, firstPart }));
    } catch (error) {
      if (isCodedError(error)) return undefined;
      throw error;
    }
    const endless = packed.find(({ parts }) => parts.some(({ frames }) => frames >= MAX_PART_FRAMES.video));
    if (endless !== undefined) throw new IngestError({ code: "INGEST_PART_ENDLESS", rung: endless.rung, sequence });
    return packed;
  }

  /** Made for nobody. Who goes on so has the job while another could show something. */
  #missed(sequence: number): void {
    this.#passOver(sequence, "INGEST_SEGMENT_TOO_LATE");
    // What it made before it lost its origin says nothing of how it goes on.
    if (sequence < this.#start.sequence) return;
    this.#late += 1;
    if (this.#late >= lateSegments) throw new IngestError({ code: "INGEST_TRANSCODER_LATE", segments: this.#late });
  }

  /** It is not paid, and nobody is at fault. */
  #passOver(sequence: number, code: PassedOver): void {
    this.#outgoing.enqueue({ type: "verdict", sequence, ok: false, code });
  }

  #refuse(sequence: number, reason: string): never {
    this.#outgoing.enqueue({ type: "verdict", sequence, ok: false, code: reason });
    throw new IngestError({ code: "INGEST_CHECK_FAILED", sequence, reason });
  }

  /** A receipt counts only from the node that was given this attempt, under its quote. */
  #checkSigner(receipt: Signed<Receipt>): void {
    const { job, attempt, quoteHash } = this.#subscribe.assignment.value;
    const { statements, domain } = this.#components;
    if (receipt.value.job !== job) throw new IngestError({ code: "INGEST_RECEIPT_WRONG", field: "job" });
    if (receipt.value.attempt !== attempt) throw new IngestError({ code: "INGEST_RECEIPT_WRONG", field: "attempt" });
    if (receipt.value.quoteHash !== quoteHash)
      throw new IngestError({ code: "INGEST_RECEIPT_WRONG", field: "quoteHash" });
    statements.verifySigned(receiptStructure, domain, receipt, this.#connection.remoteAddress);
  }
}

function toMessage(entry: SourceEntry): MediaMessage {
  switch (entry.type) {
    case "config":
      return { type: "config", rung: SOURCE_RUNG, version: entry.version, config: entry.config };
    case "boundary":
      return entry;
    case "frame":
      return { type: "frame", rung: SOURCE_RUNG, sequence: entry.sequence, frame: entry.frame };
    case "segmentEnd":
      return { ...entry, rung: SOURCE_RUNG };
  }
}
