import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import type { DescriptionMessage, MediaMessage, SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import type { EdgeStream, ServedSegment } from "./edge-stream.ts";
import { DeliveryError } from "./errors.ts";
import { OwnSegment } from "./own-segment.ts";
import type { RelayFeed } from "./relayed-log.ts";
import { type IncomingSegment, SegmentVerifier } from "./segment-verifier.ts";

export interface EdgeIntakeParts {
  readonly spec: DeliverySpec;
  /** Whose signature stands under every part. */
  readonly origin: Address;
  /** Who sends, and which node this is. */
  readonly holder: Address;
  readonly self: Address;
  readonly stream: EdgeStream;
  /** What is handed on to other edges; undefined where they ask the origin, which is this node. */
  readonly feed: RelayFeed | undefined;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly maxBytes: number;
  readonly onDescription: (description: DescriptionMessage) => void;
  readonly onServed: (segments: readonly ServedSegment[]) => void;
  readonly onSegment: () => void;
}

/** What one holder sends of a stream: checked against the origin's marks, served to viewers, handed on to other edges. */
export class EdgeIntake {
  readonly #parts: EdgeIntakeParts;
  readonly #open = new Map<number, IncomingSegment>();
  #partTargetMs = PART_TARGET_MS;

  constructor(parts: EdgeIntakeParts) {
    this.#parts = parts;
  }

  /** @throws DeliveryError or a statement's error: what the origin did not publish */
  take(message: MediaMessage): void {
    const { stream, feed, onServed, onSegment } = this.#parts;
    switch (message.type) {
      case "accepted":
      case "alive":
        return;
      case "refused":
        throw new DeliveryError({ code: "DELIVERY_ORIGIN_REFUSED", reason: message.code });
      case "description":
        this.#describe(message);
        return;
      case "config":
        stream.setConfig(message.rung, message.version, message.config);
        return;
      case "segmentStart": {
        const config = stream.config(message.rung, message.configVersion);
        if (config === undefined) throw unexpected("segmentStart before its config");
        onServed(stream.begin(message));
        this.#open.set(message.rung, this.#begin(message, config));
        stream.frames.config(message.rung, message.configVersion, config);
        feed?.start(message, { version: message.configVersion, config });
        return;
      }
      case "frame":
        this.#takeFrame(this.#needOpen(message.rung), message.frame);
        // What the verifier refuses ends the pull: no viewer is to have it before that.
        stream.frames.frame(message.rung, message.sequence, message.frame);
        feed?.take(message);
        return;
      case "partRestart": {
        stream.frames.takeBack(message.rung, this.#needOpen(message.rung).restartPart());
        feed?.take(message);
        return;
      }
      case "partMark":
        this.#needOpen(message.rung).mark(message);
        feed?.mark(message);
        return;
      case "segmentEnd": {
        const verified = this.#needOpen(message.rung).finish(message);
        this.#open.delete(message.rung);
        const config = stream.config(message.rung, verified.start.configVersion)!;
        onServed(stream.add(verified, config));
        const last = verified.parts.at(-1);
        if (last !== undefined) feed?.verified(message.rung, last.bytes);
        feed?.end(message);
        onSegment();
        return;
      }
      default:
        throw unexpected(message.type);
    }
  }

  /** What a stream consists of is for its origin to say; another edge says what this one was told with its job. */
  #describe(message: DescriptionMessage): void {
    const { spec, origin, holder, stream, onDescription } = this.#parts;
    const description = holder === origin ? message : { ...message, renditions: spec.renditions };
    this.#partTargetMs = description.partTargetMs;
    stream.describe(description.renditions, description.partTargetMs);
    onDescription(description);
  }

  /** What this node made itself, in this process, it need not check. */
  #begin(start: SegmentStartMessage, config: TrackConfig): IncomingSegment {
    const { spec, origin, self, statements, domain, maxBytes } = this.#parts;
    if (origin === self) return new OwnSegment(start, config);
    const partTargetMs = this.#partTargetMs;
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
    const part = verifier.push(frame);
    if (part === undefined) return;
    this.#parts.stream.addPart(verifier.start, part, verifier.config);
    this.#parts.feed?.verified(verifier.start.rung, part.bytes);
  }

  #needOpen(rung: number): IncomingSegment {
    const verifier = this.#open.get(rung);
    if (verifier === undefined) throw unexpected("media outside of a segment");
    return verifier;
  }
}

function unexpected(found: string): DeliveryError {
  return new DeliveryError({ code: "DELIVERY_MESSAGE_UNEXPECTED", found });
}
