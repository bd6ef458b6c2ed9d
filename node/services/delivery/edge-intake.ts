import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import type {
  MediaMessage,
  ProgressMessage,
  SegmentEndMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { type Frame, isTrackConfig, type TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { type Address, bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import { progressStructure } from "@leat/sdk/protocol/signed.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { ALIVE_MS } from "../jobs/progress-count.ts";
import type { VersionedConfig } from "../jobs/segment-log.ts";
import { CutSegments } from "./cut-segments.ts";
import type { EdgeStream, ServedSegment } from "./edge-stream.ts";
import { DeliveryError } from "./errors.ts";
import { type InnerMessage, PassedSegment } from "./passed-segment.ts";
import type { RelayFeed } from "./relayed-log.ts";
import { SegmentVerifier } from "./segment-verifier.ts";

export interface EdgeIntakeParts {
  readonly spec: DeliverySpec;
  /** Whose signature stands under every part. */
  readonly origin: Address;
  readonly stream: EdgeStream;
  /** The first segment that the holder was asked for. */
  readonly fromSequence: number;
  /** Of a rung's newest 20 segments, how many the holder may leave before their end. */
  readonly maxCut: number;
  /** What is handed on, to viewers by frames and to other edges. */
  readonly feed: RelayFeed;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly maxBytes: number;
  /** The newest segment that was published before this edge was asked to serve; 0 where nobody knows. */
  readonly published: number;
  /** Some of it was verified. */
  readonly onPart: () => void;
  /** A new word of the origin how far the stream is, and all that it names is here. */
  readonly onProgress: (progress: ProgressMessage) => void;
  readonly onServed: (segments: readonly ServedSegment[]) => void;
  readonly onSegment: () => void;
}

/** Transcoders that die within their first part one after the other are replaced fewer times. */
const MAX_ATTEMPTS = 64;

/** What one holder sends of a stream: checked against the origin's marks, served to viewers, handed on to other edges. */
export class EdgeIntake {
  readonly #parts: EdgeIntakeParts;
  /** By rung, as it was told last. */
  readonly #configs = new Map<number, VersionedConfig>();
  readonly #open = new Map<number, SegmentVerifier | PassedSegment>();
  /** By rung: the newest segment that was begun, whether a part of it was marked, and whether its end is still to come. */
  readonly #begun = new Map<number, { readonly sequence: number; isMarked: boolean; isOpen: boolean }>();
  readonly #cut: CutSegments;
  /** By rung: parts that were begun since the newest that was verified. */
  readonly #attempts = new Map<number, number>();
  readonly #rungs: ReadonlySet<number>;
  /** When the newest word of the origin was given, on its own count. */
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: EdgeIntakeParts) {
    this.#parts = parts;
    this.#cut = new CutSegments(parts.maxCut);
    this.#rungs = new Set(parts.spec.renditions.map(({ rung }) => rung));
  }

  /** @throws DeliveryError or a statement's error: what the origin did not publish */
  take(message: MediaMessage): void {
    const { feed } = this.#parts;
    switch (message.type) {
      case "accepted":
      case "alive":
        return;
      case "refused":
        throw new DeliveryError({ code: "DELIVERY_ORIGIN_REFUSED", reason: message.code });
      case "config":
        // What a stream consists of is told with the job.
        if (!this.#rungs.has(message.rung)) throw unexpected("rung that nobody named");
        if (!isTrackConfig(message.config)) throw unexpected("codec that no rung has");
        this.#configs.set(message.rung, { version: message.version, config: message.config });
        return;
      case "segmentStart": {
        const config = this.#configs.get(message.rung);
        if (config?.version !== message.configVersion) throw unexpected("segmentStart before its config");
        this.#follow(message);
        if (this.#parts.stream.hasPassed(message.rung, message.sequence)) {
          this.#open.set(message.rung, new PassedSegment(message, this.#parts.maxBytes));
          return;
        }
        this.#countAttempt(message.rung);
        this.#open.set(message.rung, this.#begin(message, config.config));
        feed.start(message, config);
        return;
      }
      case "progress":
        this.#takeProgress(message);
        return;
      case "frame":
      case "partRestart":
      case "partMark":
      case "segmentEnd": {
        this.#note(message);
        const segment = this.#open.get(message.rung);
        if (segment?.start.sequence !== message.sequence) throw unexpected("media outside of its segment");
        if (message.type === "segmentEnd") this.#open.delete(message.rung);
        if (segment instanceof PassedSegment) segment.pass(message);
        else this.#takeInner(segment, message);
        return;
      }
      default:
        throw unexpected(message.type);
    }
  }

  /** A holder may repeat old words, and give the newest one before what it names: neither says how far the stream is. */
  #takeProgress(message: ProgressMessage): void {
    const { spec, origin, stream, statements, domain, published, onProgress } = this.#parts;
    const { atMs, rung, sequence, parts, signature } = message;
    // Nor does it cost a check: the origin gives no two within that time.
    if (atMs < this.#toldAtMs + ALIVE_MS / 2) return;
    const value = { stream: spec.stream, atMs: BigInt(atMs), rung, seq: BigInt(sequence), parts };
    statements.verifySigned(progressStructure, domain, { value, signature: bytesToHex(signature) }, origin);
    this.#toldAtMs = atMs;
    // The newest part is checked once a frame stands behind it.
    const isHere = parts === 0 || stream.has(rung, sequence, Math.max(1, parts - 1));
    if (isHere && sequence >= published) onProgress(message);
  }

  #begin(start: SegmentStartMessage, config: TrackConfig): SegmentVerifier {
    const { spec, origin, statements, domain, maxBytes, stream } = this.#parts;
    const { partTargetMs = PART_TARGET_MS } = spec;
    return new SegmentVerifier(start, config, {
      stream: spec.stream,
      origin,
      statements,
      domain,
      partTargetMs,
      maxBytes,
      findsCaptions: !stream.window.hasCaptions(start.rung),
    });
  }

  #takeInner(segment: SegmentVerifier, message: InnerMessage): void {
    const { feed } = this.#parts;
    switch (message.type) {
      case "frame":
        this.#takeFrame(segment, message.frame);
        // What the verifier refuses ends the pull: no viewer is to have it before that.
        feed.frame(message);
        return;
      case "partRestart":
        segment.restartPart();
        this.#countAttempt(message.rung);
        feed.restart(message.rung);
        return;
      case "partMark":
        segment.mark(message);
        feed.mark(message);
        return;
      case "segmentEnd":
        this.#end(segment, message);
        return;
    }
  }

  #takeFrame(verifier: SegmentVerifier, frame: Frame): void {
    const { stream, feed, onServed } = this.#parts;
    const { start, config } = verifier;
    // Neither is in the part's bytes: what is signed is the segment's.
    const { epoch, configVersion } = frame;
    if (epoch !== start.epoch || configVersion !== start.configVersion) throw unexpected("frame of another segment");
    const part = verifier.push(frame);
    if (part === undefined) return;
    this.#noteVerified(start.rung);
    onServed(stream.addPart(start, part, config));
    feed.verified(start.rung, part.bytes);
  }

  #end(segment: SegmentVerifier, message: SegmentEndMessage): void {
    const { stream, feed, onServed, onSegment } = this.#parts;
    const verified = segment.finish(message);
    const last = verified.parts.at(-1);
    // Nobody signed for one without a part.
    if (last === undefined) throw unexpected("segmentEnd before a part");
    this.#noteVerified(message.rung);
    onServed(stream.add(verified, segment.config));
    feed.verified(message.rung, last.bytes);
    feed.end(message);
    onSegment();
  }

  #noteVerified(rung: number): void {
    this.#attempts.delete(rung);
    this.#parts.onPart();
  }

  #countAttempt(rung: number): void {
    const attempts = (this.#attempts.get(rung) ?? 0) + 1;
    if (attempts > MAX_ATTEMPTS) throw unexpected("parts that come to nothing");
    this.#attempts.set(rung, attempts);
  }

  /**
   * A rung's segments come in order, from the first that was asked for, and one begins anew while no part of it is
   * marked. What is older was signed once, too: a holder could send it for ever.
   */
  #follow({ rung, sequence }: SegmentStartMessage): void {
    const first = { sequence: this.#parts.fromSequence, isMarked: false, isOpen: false };
    const begun = this.#begun.get(rung) ?? first;
    if (sequence < begun.sequence || (sequence === begun.sequence && begun.isMarked)) {
      throw unexpected("segment that was there before");
    }
    this.#begun.set(rung, { sequence, isMarked: false, isOpen: true });
    // Of one without a part nobody lacks anything.
    if (begun.isOpen && begun.isMarked) this.#cut.note(rung, begun.sequence);
  }

  #note({ type, rung, sequence }: InnerMessage): void {
    const begun = this.#begun.get(rung);
    if (begun?.sequence !== sequence) return;
    if (type === "partMark") begun.isMarked = true;
    if (type === "segmentEnd") begun.isOpen = false;
  }
}

function unexpected(found: string): DeliveryError {
  return new DeliveryError({ code: "DELIVERY_MESSAGE_UNEXPECTED", found });
}
