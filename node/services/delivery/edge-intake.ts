import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import type {
  FrameMessage,
  MediaMessage,
  SegmentEndMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import type { VersionedConfig } from "../jobs/segment-log.ts";
import type { EdgeStream, ServedSegment } from "./edge-stream.ts";
import { DeliveryError } from "./errors.ts";
import { OwnSegment } from "./own-segment.ts";
import type { RelayFeed } from "./relayed-log.ts";
import { type IncomingSegment, SegmentVerifier } from "./segment-verifier.ts";

export interface EdgeIntakeParts {
  readonly spec: DeliverySpec;
  /** Whose signature stands under every part. */
  readonly origin: Address;
  /** Which node this is. */
  readonly self: Address;
  readonly stream: EdgeStream;
  /** What is handed on, to viewers by frames and to other edges. */
  readonly feed: RelayFeed;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly maxBytes: number;
  /** Some of it was verified. */
  readonly onPart: () => void;
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
  readonly #open = new Map<number, IncomingSegment>();
  /** By rung: parts that were begun since the newest that was verified. */
  readonly #attempts = new Map<number, number>();
  readonly #rungs: ReadonlySet<number>;

  constructor(parts: EdgeIntakeParts) {
    this.#parts = parts;
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
        this.#configs.set(message.rung, { version: message.version, config: message.config });
        return;
      case "segmentStart": {
        const config = this.#configs.get(message.rung);
        if (config?.version !== message.configVersion) throw unexpected("segmentStart before its config");
        this.#countAttempt(message.rung);
        this.#open.set(message.rung, this.#begin(message, config.config));
        feed.start(message, config);
        return;
      }
      case "frame":
        this.#takeFrame(this.#needOpen(message), message.frame);
        // What the verifier refuses ends the pull: no viewer is to have it before that.
        feed.frame(message);
        return;
      case "partRestart":
        this.#needOpen(message).restartPart();
        this.#countAttempt(message.rung);
        feed.restart(message.rung);
        return;
      case "partMark":
        this.#needOpen(message).mark(message);
        feed.mark(message);
        return;
      case "segmentEnd":
        this.#end(message);
        return;
      default:
        throw unexpected(message.type);
    }
  }

  /** What this node made itself, in this process, it need not check. */
  #begin(start: SegmentStartMessage, config: TrackConfig): IncomingSegment {
    const { spec, origin, self, statements, domain, maxBytes } = this.#parts;
    if (origin === self) return new OwnSegment(start, config);
    const { partTargetMs = PART_TARGET_MS } = spec;
    return new SegmentVerifier(start, config, {
      stream: spec.stream,
      origin,
      statements,
      domain,
      partTargetMs,
      maxBytes,
    });
  }

  #takeFrame(verifier: IncomingSegment, frame: Frame): void {
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

  #end(message: SegmentEndMessage): void {
    const { stream, feed, onServed, onSegment } = this.#parts;
    const segment = this.#needOpen(message);
    const verified = segment.finish(message);
    const last = verified.parts.at(-1);
    // Nobody signed for one without a part.
    if (last === undefined) throw unexpected("segmentEnd before a part");
    this.#open.delete(message.rung);
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

  /** The segment that a message of its inside says it belongs to. */
  #needOpen({ rung, sequence }: Pick<FrameMessage, "rung" | "sequence">): IncomingSegment {
    const verifier = this.#open.get(rung);
    if (verifier?.start.sequence !== sequence) throw unexpected("media outside of its segment");
    return verifier;
  }
}

function unexpected(found: string): DeliveryError {
  return new DeliveryError({ code: "DELIVERY_MESSAGE_UNEXPECTED", found });
}
