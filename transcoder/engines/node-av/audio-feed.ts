import type { Frame as Samples } from "node-av/lib";
import { type AudioPacket, SILENCE_LIMIT_SAMPLES, TOLERANCE_SAMPLES } from "../../audio-packet.ts";
import type { AudioGroup } from "../../ladder.ts";
import { GroupEncoder } from "./audio-group.ts";
import { Resampler } from "./resampler.ts";

/** Brings decoded sound to 48 kHz on the stream's clock, and feeds the encoder of each group. */
export class AudioFeed {
  readonly #channels: number;
  readonly #resampler: Resampler;
  readonly #groups: readonly GroupEncoder[];
  readonly #onPackets: (groupIndex: number, packets: readonly AudioPacket[]) => void;
  #epoch = 0;
  /** Where the next sample that leaves the resampler stands, on the epoch's clock. */
  #next: number | undefined;

  constructor(
    groups: readonly AudioGroup[],
    channels: number,
    onPackets: (groupIndex: number, packets: readonly AudioPacket[]) => void,
  ) {
    this.#channels = channels;
    this.#resampler = new Resampler(channels);
    this.#groups = groups.map((group) => new GroupEncoder(group, channels));
    this.#onPackets = onPackets;
  }

  encoder(groupIndex: number): GroupEncoder {
    return this.#groups[groupIndex]!;
  }

  /** A new clock begins with the next samples. */
  startEpoch(epoch: number): void {
    this.flush();
    this.#epoch = epoch;
    this.#next = undefined;
  }

  /**
   * `stands` is the place of the first sample at 48 kHz; without one they follow what came before. What stands before
   * `floor` is dropped.
   */
  feed(samples: Samples, stands: number | undefined, floor = Number.NEGATIVE_INFINITY): void {
    const place = stands ?? (this.#next === undefined ? Math.max(0, floor) : this.#next + this.#resampler.held);
    const heard = this.#align(Math.max(place, floor), place);
    const planes = this.#resampler.convert(samples);
    this.#write(heard > 0 ? planes.map((plane) => plane.subarray(heard)) : planes);
  }

  /** Nothing is heard until there: from where the sound stopped, or from `from` on a new clock and after a long hole. */
  silence(from: number, until: number): void {
    this.flush();
    if (this.#next === undefined || from - this.#next > SILENCE_LIMIT_SAMPLES) this.#moveTo(from);
    const samples = Math.min(until - this.#next!, SILENCE_LIMIT_SAMPLES);
    if (samples > 0) this.#write(Array.from({ length: this.#channels }, () => new Float32Array(samples)));
  }

  /** Brings out what the resampler holds. */
  flush(): void {
    this.#write(this.#resampler.flush());
  }

  end(): void {
    this.flush();
    this.#each((group) => group.end());
  }

  close(): void {
    this.#resampler.close();
    for (const group of this.#groups) group.close();
  }

  /** Brings the clock to where the samples at hand begin to count. Returns how many of them do not. */
  #align(counts: number, stands: number): number {
    if (this.#next === undefined) {
      this.#moveTo(counts);
      return counts - stands;
    }
    const hole = stands - (this.#next + this.#resampler.held);
    if (Math.abs(hole) <= TOLERANCE_SAMPLES) return 0;
    if (hole < 0) return -hole;
    this.flush();
    if (hole > SILENCE_LIMIT_SAMPLES) this.#moveTo(stands);
    else this.#write(Array.from({ length: this.#channels }, () => new Float32Array(stands - this.#next!)));
    return 0;
  }

  #moveTo(pts: number): void {
    this.#next = pts;
    const epoch = this.#epoch;
    this.#each((group) => group.moveTo({ epoch, pts }));
  }

  #write(planes: readonly Float32Array[]): void {
    const samples = planes[0]?.length ?? 0;
    if (samples === 0 || this.#next === undefined) return;
    this.#next += samples;
    this.#each((group) => group.write(planes));
  }

  #each(encode: (group: GroupEncoder) => AudioPacket[]): void {
    for (const [index, group] of this.#groups.entries()) this.#onPackets(index, encode(group));
  }
}
