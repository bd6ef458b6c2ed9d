import { createHash } from "node:crypto";
import { RunningHash } from "@leat/node/media/running-hash.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex, type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { partHashStructure } from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import type { PackedSegment } from "../jobs/packed-segment.ts";
import { ReplayLog } from "./replay-log.ts";

/** One rung's checked segment, about to be published. */
export interface RungSegment {
  readonly rung: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly firstFrame: number;
  readonly discontinuity: boolean;
  readonly wallClockMs: number;
  readonly configVersion: number;
  readonly config: TrackConfig;
  readonly frames: readonly Frame[];
  readonly packed: PackedSegment;
}

interface PublishedSegment {
  readonly rung: number;
  readonly sequence: number;
  readonly config: { readonly version: number; readonly config: TrackConfig };
  /** From segmentStart to segmentEnd. */
  readonly messages: readonly MediaMessage[];
}

export interface PublishedLogOptions {
  readonly stream: Hex;
  readonly signer: StatementSigner;
  readonly domain: Domain;
  /** Segments of each rung that are kept for edges that come or return. */
  readonly keptSegments: number;
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

/** What edges pull: published segments of all rungs, with the origin's signed running hash after every part. */
export class PublishedLog {
  readonly #log = new ReplayLog<PublishedSegment>();
  readonly #options: PublishedLogOptions;
  #head: number | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(options: PublishedLogOptions) {
    this.#options = options;
  }

  /** The newest published sequence of any rung. */
  get head(): number | undefined {
    return this.#head;
  }

  get closed(): boolean {
    return this.#log.closed;
  }

  /** Resolves when edges can see it. Segments become visible in the order of the calls. */
  publish(segments: readonly RungSegment[]): Promise<void> {
    const signing = Promise.all(segments.map((segment) => this.#sign(segment)));
    // A failing signature is the caller's to hear; what comes after it still goes out.
    const done = this.#tail.then(async () => {
      for (const published of await signing) this.#append(published);
    });
    signing.catch(() => {});
    this.#tail = done.catch(() => {});
    return done;
  }

  /** Nothing more will be published; edges get what is there and then the end. */
  async close(): Promise<void> {
    await this.#tail;
    this.#log.close();
  }

  /** The messages of all segments from `fromSequence` on, oldest first, then live ones. */
  async *readFrom(fromSequence: number, signal: AbortSignal): AsyncGenerator<MediaMessage, void> {
    const told = new Map<number, TrackConfig>();
    for (let index = this.#log.first; ; index += 1) {
      const segment = await this.#log.read(index, signal);
      if (segment === undefined) return;
      if (segment.sequence < fromSequence) continue;
      const { rung, config } = segment;
      if (told.get(rung) !== config.config) yield { type: "config", rung, ...config };
      told.set(rung, config.config);
      yield* segment.messages;
    }
  }

  #append(segment: PublishedSegment): void {
    this.#log.append(segment);
    this.#head = Math.max(this.#head ?? 0, segment.sequence);
    const oldest = this.#head - this.#options.keptSegments + 1;
    let first = this.#log.first;
    while ((this.#log.at(first)?.sequence ?? oldest) < oldest) first += 1;
    this.#log.dropBefore(first);
  }

  async #sign(segment: RungSegment): Promise<PublishedSegment> {
    const { rung, sequence, epoch, firstFrame, discontinuity, wallClockMs, configVersion, config, frames, packed } =
      segment;
    const messages: MediaMessage[] = [
      { type: "segmentStart", rung, sequence, epoch, configVersion, firstFrame, discontinuity, wallClockMs },
    ];
    // The chain begins anew with every segment, so that an edge may join at any.
    const chain = new RunningHash(sha256);
    let next = 0;
    for (const part of packed.parts) {
      for (const frame of frames.slice(next, next + part.frames))
        messages.push({ type: "frame", rung, sequence, frame });
      next += part.frames;
      const runningHash = chain.add(part.sha256);
      messages.push({
        type: "partMark",
        rung,
        sequence,
        part: part.index,
        runningHash,
        signature: await this.#signPart(rung, sequence, part.index, runningHash),
      });
    }
    const { durationTicks } = packed.totals;
    messages.push({ type: "segmentEnd", rung, sequence, frames: frames.length, durationTicks });
    return { rung, sequence, config: { version: configVersion, config }, messages };
  }

  async #signPart(rung: number, sequence: number, part: number, runningHash: Uint8Array): Promise<Uint8Array> {
    const { signer, domain, stream } = this.#options;
    const value = { stream, rung, seq: BigInt(sequence), part, runningHash: bytesToHex(runningHash) };
    return hexToBytes(await signer.sign(partHashStructure, domain, value));
  }
}
