import type { AVSampleFormat } from "node-av/constants";
import { AV_SAMPLE_FMT_FLTP } from "node-av/constants";
import { Frame as Samples, SoftwareResampleContext } from "node-av/lib";
import { AUDIO_SAMPLE_RATE } from "../../presets.ts";
import { layoutOf } from "./codec.ts";

/** Anything to 48 kHz mono or stereo floats, one plane a channel. A change of the input's format is taken in stride. */
export class Resampler {
  readonly #channels: number;
  #context: SoftwareResampleContext | undefined;
  #format = "";

  constructor(channels: number) {
    this.#channels = channels;
  }

  /** Samples at 48 kHz that went in and have not come out. */
  get held(): number {
    return this.#context ? Number(this.#context.getDelay(BigInt(AUDIO_SAMPLE_RATE))) : 0;
  }

  convert(input: Samples): Float32Array[] {
    const layout = input.channelLayout;
    const format = `${input.sampleRate} ${input.format} ${layout.nbChannels} ${layout.mask}`;
    let before: Float32Array[] = [];
    if (this.#format !== format) {
      before = this.flush();
      this.#context = new SoftwareResampleContext();
      this.#context.allocSetOpts2(
        layoutOf(this.#channels),
        AV_SAMPLE_FMT_FLTP,
        AUDIO_SAMPLE_RATE,
        layout,
        input.format as AVSampleFormat,
        input.sampleRate,
      );
      this.#context.init();
      this.#format = format;
    }
    return joinPlanes(before, this.#run(input));
  }

  flush(): Float32Array[] {
    if (!this.#context) return [];
    const rest = this.#run(null);
    this.close();
    return rest;
  }

  close(): void {
    this.#context?.free();
    this.#context = undefined;
    this.#format = "";
  }

  #run(input: Samples | null): Float32Array[] {
    const output = new Samples();
    output.alloc();
    output.format = AV_SAMPLE_FMT_FLTP;
    output.channelLayout = layoutOf(this.#channels);
    output.sampleRate = AUDIO_SAMPLE_RATE;
    const converted = this.#context!.convertFrame(output, input);
    const samples = converted < 0 ? 0 : output.nbSamples;
    const planes = Array.from({ length: this.#channels }, (_, channel) => {
      const bytes = samples > 0 ? output.data![channel]! : Buffer.alloc(0);
      return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + samples * 4));
    });
    output.free();
    return planes;
  }
}

function joinPlanes(first: readonly Float32Array[], second: readonly Float32Array[]): Float32Array[] {
  if (first.length === 0 || first[0]!.length === 0) return [...second];
  return second.map((plane, channel) => {
    const joined = new Float32Array(first[channel]!.length + plane.length);
    joined.set(first[channel]!);
    joined.set(plane, first[channel]!.length);
    return joined;
  });
}
