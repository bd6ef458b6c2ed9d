import { MAX_PART_FRAMES, type Part, partTargetTicks, SegmentPackager } from "@leat/node/media/packager.ts";
import { RunningHash } from "@leat/node/media/running-hash.ts";
import type { PartMarkMessage, SegmentEndMessage, SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { type Frame, frameSize, type TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { partHashStructure } from "@leat/sdk/protocol/signed.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { hashPart, type PackedPart, sha256 } from "../jobs/packed-segment.ts";
import { hashHead } from "../jobs/segment-head.ts";
import { DeliveryError } from "./errors.ts";

export interface VerifierRules {
  readonly stream: Hex;
  /** Whose signature stands under every part. */
  readonly origin: Address;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly partTargetMs: number;
  readonly maxBytes: number;
  /** Whether it is not known yet that the rung's pictures have captions. */
  readonly findsCaptions: boolean;
}

export interface VerifiedSegment {
  readonly start: SegmentStartMessage;
  readonly parts: readonly PackedPart[];
  readonly frames: number;
  readonly durationTicks: number;
  readonly sizeBytes: number;
}

/**
 * Packages one segment anew from its frames and holds every part against the origin's signed running hash: bytes that
 * the origin did not publish are found within one part.
 */
export class SegmentVerifier {
  readonly #start: SegmentStartMessage;
  readonly #config: TrackConfig;
  readonly #rules: VerifierRules;
  readonly #packager: SegmentPackager;
  readonly #chain: RunningHash;
  readonly #marks = new Map<number, PartMarkMessage>();
  readonly #parts: PackedPart[] = [];
  #bytes = 0;
  #openFrames = 0;

  constructor(start: SegmentStartMessage, config: TrackConfig, rules: VerifierRules) {
    this.#start = start;
    this.#config = config;
    this.#rules = rules;
    this.#chain = new RunningHash(sha256, hashHead(start, config));
    this.#packager = new SegmentPackager({
      config,
      sequence: start.sequence,
      partTargetTicks: partTargetTicks(config.timescale, rules.partTargetMs),
      findsCaptions: rules.findsCaptions,
    });
  }

  get start(): SegmentStartMessage {
    return this.#start;
  }

  get config(): TrackConfig {
    return this.#config;
  }

  push(frame: Frame): PackedPart | undefined {
    this.#bytes += frameSize(frame);
    const { maxBytes } = this.#rules;
    if (this.#bytes > maxBytes) {
      throw new DeliveryError({ code: "DELIVERY_SEGMENT_TOO_LARGE", sizeBytes: this.#bytes, maxBytes });
    }
    const part = this.#take(this.#packager.push(frame));
    this.#openFrames = part === undefined ? this.#openFrames + 1 : 1;
    if (this.#openFrames > MAX_PART_FRAMES[frame.kind]) throw this.#fault("DELIVERY_PART_UNMARKED", this.#parts.length);
    return part;
  }

  mark(message: PartMarkMessage): void {
    const isNext = message.part === this.#parts.length && this.#marks.size === this.#parts.length;
    if (!isNext) throw this.#fault("DELIVERY_PART_ALTERED", message.part);
    this.#marks.set(message.part, message);
  }

  restartPart(): number {
    this.#openFrames = 0;
    return this.#packager.dropOpen();
  }

  finish(end: SegmentEndMessage): VerifiedSegment {
    this.#take(this.#packager.finish());
    const { frames, durationTicks, sizeBytes } = this.#packager.totals;
    if (frames !== end.frames || this.#marks.size !== this.#parts.length) {
      throw this.#fault("DELIVERY_PART_UNMARKED", this.#parts.length);
    }
    this.#checkEnd(end);
    return { start: this.#start, parts: this.#parts, frames, durationTicks, sizeBytes };
  }

  #take(part: Part | undefined): PackedPart | undefined {
    if (part === undefined) return undefined;
    const packed = hashPart(part);
    const runningHash = this.#chain.add(packed.sha256);
    const mark = this.#marks.get(part.index);
    if (mark === undefined) throw this.#fault("DELIVERY_PART_UNMARKED", part.index);
    if (Buffer.compare(mark.runningHash, runningHash) !== 0) throw this.#fault("DELIVERY_PART_ALTERED", part.index);
    this.#checkSignature(part.index, runningHash, mark.signature);
    this.#parts.push(packed);
    return packed;
  }

  /** That there are no more parts than these is the origin's to say. */
  #checkEnd({ signature }: SegmentEndMessage): void {
    const part = this.#parts.length;
    if (signature === undefined) throw this.#fault("DELIVERY_PART_UNMARKED", part);
    this.#checkSignature(part, this.#chain.end(), signature);
  }

  #checkSignature(part: number, hash: Uint8Array, signature: Uint8Array): void {
    const { stream, origin, statements, domain } = this.#rules;
    const { rung, sequence } = this.#start;
    const value = { stream, rung, seq: BigInt(sequence), part, runningHash: bytesToHex(hash) };
    statements.verifySigned(partHashStructure, domain, { value, signature: bytesToHex(signature) }, origin);
  }

  #fault(code: "DELIVERY_PART_UNMARKED" | "DELIVERY_PART_ALTERED", part: number): DeliveryError {
    const { rung, sequence } = this.#start;
    return new DeliveryError({ code, rung, sequence, part });
  }
}
