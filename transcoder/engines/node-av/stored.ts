import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import type { CodecContext, Rational, Frame as Samples } from "node-av/lib";
import { avGetCodecName, Packet, Frame as Picture } from "node-av/lib";
import type { StoredRendition, StoredResult, StoredSpec } from "../../engine.ts";
import { TranscodeError } from "../../errors.ts";
import { audioCodecFor, audioGroups, resolveLadder } from "../../ladder.ts";
import { PictureClock } from "../../picture-clock.ts";
import { AUDIO_SAMPLE_RATE } from "../../presets.ts";
import { storedThreads } from "../../stored.ts";
import { AudioFeed } from "./audio-feed.ts";
import { openDecoder } from "./codec.ts";
import { FileInput } from "./file-input.ts";
import { StoredRung } from "./stored-rung.ts";

/** FFmpeg's "no timestamp" is the lowest 64-bit number. */
const NO_TIMESTAMP = -(2n ** 63n);
/** Sound that comes before the first picture was decoded waits for it; more than this is not interleaved at all. */
const EARLY_SOUND_LIMIT = 4096;

export async function runStored(spec: StoredSpec, onProgress: () => void): Promise<StoredResult> {
  const input = new FileInput(spec.input);
  try {
    return await new StoredJob(spec, input, onProgress).run();
  } finally {
    input.close();
  }
}

/** One file through one decoder and all rungs. The clock starts at the first picture; sound before it is left out. */
class StoredJob {
  readonly #spec: StoredSpec;
  readonly #input: FileInput;
  readonly #onProgress: () => void;
  readonly #packet = new Packet();
  readonly #picture = new Picture();
  readonly #clock: PictureClock;
  readonly #rungs: StoredRung[] = [];
  readonly #size: { codec: string; width: number; height: number };
  #early: Samples[] | undefined = [];
  #originS = 0;
  #feed: AudioFeed | undefined;
  #frames = 0;
  /** A picture's own duration is known for certain only when the next has come. */
  #held: { picture: Picture; pts: number; duration: number } | undefined;
  #endPts = 0;

  constructor(spec: StoredSpec, input: FileInput, onProgress: () => void) {
    this.#spec = spec;
    this.#input = input;
    this.#onProgress = onProgress;
    const { codecpar } = input.video;
    const codec = avGetCodecName(codecpar.codecId) ?? "unknown";
    this.#size = { codec, width: codecpar.width, height: codecpar.height };
    this.#clock = new PictureClock((VIDEO_TIMESCALE * input.fps.den) / input.fps.num);
    this.#packet.alloc();
    this.#picture.alloc();
  }

  async run(): Promise<StoredResult> {
    const { video, audio } = this.#input;
    const fps = this.#input.fps.num / this.#input.fps.den;
    const { rungs, dropped } = resolveLadder(this.#spec.ladder, { ...this.#size, fps });
    const videoDecoder = openDecoder(video.codecpar, this.#size.codec, storedThreads());
    const audioDecoder = audio && openDecoder(audio.codecpar, avGetCodecName(audio.codecpar.codecId) ?? "audio");
    const groups = audioGroups(rungs);
    if (audio) {
      const channels = audio.codecpar.channels === 1 ? 1 : 2;
      this.#feed = new AudioFeed(groups, channels, (index, packets) => {
        for (const [at, rung] of rungs.entries()) {
          if (audioCodecFor(rung.codec) === groups[index]!.codec) this.#rungs[at]!.writeAudio(packets);
        }
      });
    }
    try {
      for (const rung of rungs) {
        const group = groups.findIndex((one) => one.codec === audioCodecFor(rung.codec));
        const sound = this.#feed?.encoder(group).context;
        this.#rungs.push(new StoredRung(rung, { video, fps: this.#input.fps }, this.#spec.outDir, sound));
      }
      await this.#decodeAll(videoDecoder, audioDecoder);
      if (this.#frames === 0) throw new TranscodeError({ code: "TRANSCODE_INPUT_NO_PICTURE", input: this.#spec.input });
      const renditions: StoredRendition[] = [];
      for (const rung of this.#rungs) renditions.push(await rung.finish());
      const durationMs = Math.round(this.#endPts / 90);
      return { source: { ...this.#size, frames: this.#frames, durationMs }, renditions, dropped };
    } catch (error) {
      for (const rung of this.#rungs) await rung.discard();
      throw error;
    }
  }

  async #decodeAll(videoDecoder: CodecContext, audioDecoder: CodecContext | undefined): Promise<void> {
    while (this.#input.read(this.#packet)) {
      if (this.#packet.streamIndex === this.#input.video.index) await this.#decodeVideo(videoDecoder, this.#packet);
      else if (audioDecoder) this.#decodeAudio(audioDecoder, this.#packet);
      this.#packet.unref();
    }
    await this.#decodeVideo(videoDecoder, null);
    await this.#release(undefined);
    if (audioDecoder) this.#decodeAudio(audioDecoder, null);
    this.#feed?.end();
  }

  async #decodeVideo(decoder: CodecContext, packet: Packet | null): Promise<void> {
    // A refusal is a broken packet: what a correct decoder does not show is not counted either.
    await decoder.sendPacket(packet);
    while (decoder.receiveFrameSync(this.#picture) >= 0) {
      await this.#accept(this.#picture);
      this.#picture.unref();
    }
  }

  async #accept(picture: Picture): Promise<void> {
    const { timeBase } = this.#input.video;
    const ticks = toTicks(picture.bestEffortTimestamp, timeBase, VIDEO_TIMESCALE);
    const place = this.#clock.place(ticks, toTicks(picture.duration, timeBase, VIDEO_TIMESCALE));
    if (this.#frames === 0) {
      this.#originS = (ticks ?? 0) / VIDEO_TIMESCALE;
      this.#playEarlySound();
    }
    this.#frames += 1;
    if (this.#frames % 16 === 0) this.#onProgress();
    await this.#release(place.pts);
    const kept = picture.clone();
    if (!kept)
      throw new TranscodeError({ code: "TRANSCODE_DECODER_FAILED", codec: this.#size.codec, reason: "memory" });
    this.#held = { picture: kept, ...place };
  }

  async #release(nextPts: number | undefined): Promise<void> {
    const held = this.#held;
    if (!held) return;
    this.#held = undefined;
    const duration = nextPts === undefined ? held.duration : nextPts - held.pts;
    this.#endPts = held.pts + duration;
    for (const rung of this.#rungs) await rung.push(held.picture, held.pts, duration);
    held.picture.free();
  }

  #decodeAudio(decoder: CodecContext, packet: Packet | null): void {
    decoder.sendPacketSync(packet);
    const samples = new Picture();
    samples.alloc();
    while (decoder.receiveFrameSync(samples) >= 0) {
      if (this.#early === undefined) this.#play(samples);
      else if (this.#early.length < EARLY_SOUND_LIMIT) this.#early.push(samples.clone()!);
      samples.unref();
    }
    samples.free();
  }

  #playEarlySound(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const samples of early) {
      this.#play(samples);
      samples.free();
    }
  }

  #play(samples: Samples): void {
    const time = samples.bestEffortTimestamp === NO_TIMESTAMP ? samples.pts : samples.bestEffortTimestamp;
    const at = toTicks(time, this.#input.audio!.timeBase, AUDIO_SAMPLE_RATE);
    const length = Math.round((samples.nbSamples * AUDIO_SAMPLE_RATE) / samples.sampleRate);
    const stands = at === undefined ? undefined : at - Math.round(this.#originS * AUDIO_SAMPLE_RATE);
    if (stands !== undefined && stands + length <= 0) return;
    this.#feed?.feed(samples, stands, 0);
  }
}

function toTicks(value: bigint, timeBase: Rational, timescale: number): number | undefined {
  if (value === NO_TIMESTAMP) return undefined;
  return Math.round((Number(value) * timeBase.num * timescale) / timeBase.den);
}
