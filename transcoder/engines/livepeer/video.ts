import { randomBytes } from "node:crypto";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { readCaptions } from "@leat/sdk/protocol/bitstream/captions.ts";
import {
  type Frame,
  isSameConfig,
  isTrackConfig,
  type SourceVideoConfig,
  VIDEO_TIMESCALE,
  type VideoConfig,
} from "@leat/sdk/protocol/frame.ts";
import { insertCaptions } from "../../bitstream/captions.ts";
import type { GatewaySettings, LiveInput, LiveSink, LiveSpec, LiveVideo } from "../../engine.ts";
import { TranscodeError } from "../../errors.ts";
import { writeTsSegment } from "../../mpegts/segment-writer.ts";
import { isTsCodec } from "../../mpegts/track-writers.ts";
import { GatewayClient } from "./gateway-client.ts";
import { type Piece, PieceCutter } from "./piece-cutter.ts";
import { type Rendition, readRenditions } from "./rendition-reader.ts";
import { writeConfiguration } from "./transcode-configuration.ts";

/** 4 s of 64 Mb/s; where key frames are rare, a piece holds all since the last. */
const MAX_PIECE_BYTES = 32 * 1024 * 1024;
/** Behind the one that the gateway works at: with more, it does not keep up, and the source waits. */
const MAX_WAITING = 2;

interface Rung {
  version: number;
  config: VideoConfig | undefined;
  sequence: number | undefined;
  frames: number;
}

/** Sends each segment to a gateway, and gives out what comes back of it, one after the other. */
export class LivepeerVideo implements LiveVideo {
  readonly #spec: LiveSpec;
  readonly #sink: LiveSink;
  readonly #client: GatewayClient;
  readonly #cutter: PieceCutter;
  readonly #configuration: string;
  readonly #rungs: readonly Rung[];
  #number = 0;
  #waiting = 0;
  #work: Promise<void> = Promise.resolve();
  #fault: unknown;

  constructor(spec: LiveSpec & { readonly source: VideoConfig }, gateway: GatewaySettings, sink: LiveSink) {
    this.#spec = spec;
    this.#sink = sink;
    // Letters and digits alone, and never used again: a gateway holds on to what it knows of a name.
    this.#client = new GatewayClient(gateway, `leat${randomBytes(12).toString("hex")}`);
    this.#cutter = new PieceCutter(spec.source, MAX_PIECE_BYTES);
    this.#configuration = writeConfiguration(spec.rungs);
    this.#rungs = spec.rungs.map(() => ({ version: 0, config: undefined, sequence: undefined, frames: 0 }));
  }

  async push(input: LiveInput): Promise<void> {
    if (this.#fault !== undefined) throw this.#fault;
    switch (input.type) {
      case "boundary":
        return this.#enqueue(this.#cutter.announce(input.boundary));
      case "config":
        return this.#enqueue(this.#cutter.configure(needTs(input.config)));
      case "frame":
        return this.#enqueue(this.#cutter.add(input.frame));
      case "segmentEnd":
        // The worker hears of nothing that follows before all of it came out.
        await this.#enqueue(this.#cutter.flush());
        return this.#finish();
    }
  }

  async end(): Promise<void> {
    await this.#enqueue(this.#cutter.flush());
    await this.#finish();
  }

  close(): void {
    this.#client.close();
  }

  async #finish(): Promise<void> {
    await this.#work;
    if (this.#fault !== undefined) throw this.#fault;
  }

  async #enqueue(pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) {
      this.#waiting += 1;
      this.#work = this.#work.then(() => this.#run(piece));
      if (this.#waiting > MAX_WAITING) await this.#work;
    }
  }

  async #run(piece: Piece): Promise<void> {
    try {
      if (this.#fault === undefined) await this.#transcode(piece);
    } catch (error) {
      this.#fault = error;
    } finally {
      this.#waiting -= 1;
    }
  }

  async #transcode(piece: Piece): Promise<void> {
    const { sequence, wanted } = piece;
    if (wanted.length > 0) {
      const parts = await this.#client.push(this.#describe(piece));
      const renditions = await readRenditions(parts, this.#spec.rungs, wanted);
      for (const [index, rendition] of renditions.entries()) this.#emit(index, piece, rendition);
    }
    if (!piece.ends) return;
    for (const [index, rung] of this.#rungs.entries()) {
      if (rung.sequence !== sequence) continue;
      this.#sink.segmentEnd(index, sequence, { frames: rung.frames, concealed: 0 });
      rung.sequence = undefined;
    }
  }

  #describe({ config, frames, wanted, fromMs, toMs }: Piece) {
    const first = wanted[0]!;
    const last = wanted.at(-1)!;
    const number = this.#number;
    this.#number += 1;
    return {
      number,
      bytes: mux(config, frames),
      durationMs: Math.max(1, Math.round(((last.pts + last.duration - first.pts) * 1000) / VIDEO_TIMESCALE)),
      width: config.width,
      height: config.height,
      configuration: this.#configuration,
      fromMs,
      toMs,
      maxParts: this.#spec.rungs.length,
    };
  }

  #emit(index: number, piece: Piece, { config, pictures }: Rendition): void {
    const rung = this.#rungs[index]!;
    if (rung.config === undefined || !isSameConfig(rung.config, config)) {
      rung.config = config;
      rung.version += 1;
      this.#sink.config(index, rung.version, config);
    }
    if (rung.sequence !== piece.sequence) rung.frames = 0;
    rung.sequence = piece.sequence;
    rung.frames += pictures.length;
    for (const [at, { key, data }] of pictures.entries()) {
      const { epoch, pts, duration, arrivalMs, data: source } = piece.wanted[at]!;
      const frame: Frame = {
        kind: "video",
        epoch,
        dts: pts,
        pts,
        duration,
        key,
        configVersion: rung.version,
        arrivalMs,
        data: withCaptions(data, piece.config, source),
      };
      this.#sink.frame(index, piece.sequence, frame);
    }
  }
}

function mux(config: VideoConfig, frames: readonly Frame[]): Uint8Array {
  try {
    return writeTsSegment({ video: { config, frames } });
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const reason = error.message;
    throw new TranscodeError({ code: "TRANSCODE_BITSTREAM_INVALID", codec: config.codec, reason }, { cause: error });
  }
}

/** @throws TRANSCODE_DECODER_MISSING for a source that no transport stream carries */
export function needTs(config: SourceVideoConfig): VideoConfig {
  if (isTrackConfig(config) && isTsCodec(config)) return config;
  throw new TranscodeError({ code: "TRANSCODE_DECODER_MISSING", codec: config.codec, engine: "livepeer" });
}

/** Encoders that know captions carry them through themselves. */
function withCaptions(picture: Uint8Array, config: VideoConfig, source: Uint8Array): Uint8Array {
  const captions = readCaptions(config.codec, source);
  if (captions.length === 0 || readCaptions("h264", picture).length > 0) return picture;
  return insertCaptions(picture, captions);
}
