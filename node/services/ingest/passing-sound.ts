import type { Frame, SourceAudioConfig } from "@leat/sdk/protocol/frame.ts";
import { type AudioPacket, SILENCE_LIMIT_SAMPLES, TOLERANCE_SAMPLES } from "@leat/transcoder/audio-packet.ts";
import type { AudioGroup } from "@leat/transcoder/ladder.ts";
import { AUDIO_SAMPLE_RATE } from "@leat/transcoder/presets.ts";

/** A publisher may send this much more than the ladder names: viewers' lines and the buyer's bytes are made for that. */
const RATE_CEILING = 2;
/** Rates are judged over so much sound. */
const RATE_SAMPLES = 2 * AUDIO_SAMPLE_RATE;
/** Longer packets make parts of very uneven length. */
const LONGEST_PACKET_SAMPLES = (60 * AUDIO_SAMPLE_RATE) / 1000;

/** AAC-LC at 48 kHz in frames of 1,024, no extension. What says apart that there is no SBR is the same. */
const PLAIN_AAC = [0x11, 0x80] as const;
const NO_SBR = [0x56, 0xe5, 0x00] as const;

/** Whether a source's packets are what this group's encoder could have made, so that decoders take either. */
export function canPass(codec: AudioGroup["codec"], config: SourceAudioConfig): boolean {
  const { channels, sampleRate, timescale, description } = config;
  const isPlain = sampleRate === AUDIO_SAMPLE_RATE && timescale === AUDIO_SAMPLE_RATE && channels <= 2;
  if (config.codec !== codec || !isPlain) return false;
  if (codec === "aac") {
    const [first, second, ...rest] = description;
    const isLow = first === PLAIN_AAC[0] && second === PLAIN_AAC[1] + channels * 8;
    return isLow && (rest.length === 0 || (rest.length === 3 && NO_SBR.every((byte, at) => rest[at] === byte)));
  }
  // No gain, and the usual order of channels. What is skipped at the start is in the packets' times.
  return description.length === 11 && description[8] === 0 && description[9] === 0 && description[10] === 0;
}

/**
 * A group whose source has its codec: packets go out as they came in. They follow each other as those of an encoder do;
 * holes are filled with silent packets.
 */
export class PassingGroup {
  readonly #group: AudioGroup;
  readonly #channels: number;
  #epoch = -1;
  /** Where the next packet stands. */
  #next = 0;
  #isUnfit = false;
  /** Of the sound that rates are judged by. */
  #judged = { samples: 0, bytes: 0 };

  constructor(group: AudioGroup, channels: number) {
    this.#group = group;
    this.#channels = channels;
  }

  /** The source is none to pass on after all. */
  get isUnfit(): boolean {
    return this.#isUnfit;
  }

  push({ epoch, pts, duration, data }: Frame): AudioPacket[] {
    if (duration > LONGEST_PACKET_SAMPLES || this.#isTooMuch(duration, data.byteLength)) this.#isUnfit = true;
    const packets = this.#fill(epoch, pts);
    if (pts < this.#next - TOLERANCE_SAMPLES) return packets;
    if (Math.abs(pts - this.#next) > TOLERANCE_SAMPLES) this.#next = pts;
    packets.push({ epoch, pts: this.#next, duration, data });
    this.#next += duration;
    return packets;
  }

  /** Nothing is heard until there. */
  silence(epoch: number, from: number, until: number): AudioPacket[] {
    if (epoch !== this.#epoch) this.#enter(epoch, from);
    return this.#fill(epoch, until);
  }

  #enter(epoch: number, pts: number): void {
    this.#epoch = epoch;
    this.#next = pts;
  }

  /** Silent packets up to there, as many as are whole. */
  #fill(epoch: number, until: number): AudioPacket[] {
    if (epoch !== this.#epoch || until - this.#next > SILENCE_LIMIT_SAMPLES) this.#enter(epoch, until);
    const packets: AudioPacket[] = [];
    if (until - this.#next <= TOLERANCE_SAMPLES) return packets;
    const { duration, data } = silentPackets[this.#group.codec](this.#channels);
    for (; until - this.#next >= duration; this.#next += duration) {
      packets.push({ epoch, pts: this.#next, duration, data });
    }
    return packets;
  }

  #isTooMuch(samples: number, bytes: number): boolean {
    this.#judged.samples += samples;
    this.#judged.bytes += bytes;
    if (this.#judged.samples < RATE_SAMPLES) return false;
    const bitrate = (this.#judged.bytes * 8 * AUDIO_SAMPLE_RATE) / this.#judged.samples;
    this.#judged = { samples: 0, bytes: 0 };
    return bitrate > this.#group.bitrate * RATE_CEILING;
  }
}

/**
 * Packets that hold nothing but that there is nothing. AAC: one channel, or a pair, without a band, and the end. Opus:
 * 20 ms of the full band, for which its decoder is told to hear nothing new.
 */
export const silentPackets = {
  aac: (channels: number) => ({
    duration: 1_024,
    data: channels === 1 ? Uint8Array.of(0, 0, 0, 0x07) : Uint8Array.of(0x21, 0, 0, 0, 0, 0x1c),
  }),
  opus: (channels: number) => ({ duration: 960, data: Uint8Array.of(channels === 1 ? 0xf8 : 0xfc, 0xff, 0xfe) }),
} as const;

/** Most that a packet of AAC holds for each channel, bytes. */
const AAC_CHANNEL_BYTES = 768;
/** The first three bits of AAC: a channel, a pair of them; then what may stand before those: data, layout, filling. */
const AAC_BEGINNINGS: ReadonlySet<number> = new Set([0, 1, 4, 5, 6]);
const LONGEST_OPUS_BYTES = 7 * 1_276;

/** Whether bytes may be a packet of the codec. Only a decoder knows whether they are. */
export function mayBeSound(codec: AudioGroup["codec"], data: Uint8Array): boolean {
  if (codec === "opus") return data.length > 0 && data.length <= LONGEST_OPUS_BYTES;
  return data.length > 1 && data.length <= 2 * AAC_CHANNEL_BYTES && AAC_BEGINNINGS.has(data[0]! >> 5);
}
