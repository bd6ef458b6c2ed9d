/**
 * Hears when sound begins after silence. The silence has to be heard too: of a sound that is there already where listening
 * begins, or behind a hole, nobody can tell when it began. Pages take the class as it is written: it uses nothing of ours.
 */
export class Ear {
  /** Sound that is louder than silence made by codecs. */
  static readonly #loudAbove = 0.05;
  /** Silence that a beep breaks. */
  static readonly quietMs = 300;
  /** Containers round their times; a piece that is lost is longer. */
  static readonly #roundedMs = 5;
  readonly #samplesPerMs: number;
  #quietSamples = 0;
  #nextMs = 0;

  constructor(samplesPerMs: number) {
    this.#samplesPerMs = samplesPerMs;
  }

  /**
   * Gives when each sound that begins in a piece does so, on the clock of `fromMs`, where the piece begins.
   * @param samples Of one channel, -1 to 1.
   */
  hear(samples: Float32Array, fromMs: number): number[] {
    if (Math.abs(fromMs - this.#nextMs) > Ear.#roundedMs) this.#quietSamples = 0;
    this.#nextMs = fromMs + samples.length / this.#samplesPerMs;
    const beganMs: number[] = [];
    for (const [index, sample] of samples.entries()) {
      if (Math.abs(sample) <= Ear.#loudAbove) this.#quietSamples += 1;
      else {
        if (this.#quietSamples >= Ear.quietMs * this.#samplesPerMs) beganMs.push(fromMs + index / this.#samplesPerMs);
        this.#quietSamples = 0;
      }
    }
    return beganMs;
  }
}
