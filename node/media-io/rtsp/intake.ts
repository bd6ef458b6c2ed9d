import { parseAudioSpecificConfig } from "@leat/sdk/protocol/bitstream/aac.ts";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { OPUS_SAMPLE_RATE, opusPacketSamples } from "@leat/sdk/protocol/bitstream/opus.ts";
import type { SourceAudioConfig, SourceConfig } from "@leat/sdk/protocol/frame.ts";
import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import { KnownConfigs } from "../known-configs.ts";
import { audioReaders } from "../rtmp/audio-readers.ts";
import { parseRtcp } from "../webrtc/rtcp.ts";
import { parseRtp, type RtpPacket } from "../webrtc/rtp.ts";
import type { DepacketizedPicture, VideoDepacketizer } from "../whip/depacketizer.ts";
import { H264Depacketizer } from "../whip/h264-depacketizer.ts";
import { MediaClock } from "../whip/media-clock.ts";
import { opusConfig } from "../whip/media-intake.ts";
import { AacDepacketizer, type AudioUnit, readAacParameters } from "./aac-depacketizer.ts";
import { DecodeClock, type ShownPicture } from "./decode-clock.ts";
import { HevcDepacketizer } from "./hevc-depacketizer.ts";
import type { DescribedTrack } from "./session-description.ts";

const videoDepacketizers: Readonly<Record<string, (parameters: string) => VideoDepacketizer>> = {
  H264: (parameters) => new H264Depacketizer(parameters),
  H265: (parameters) => new HevcDepacketizer(parameters),
};

interface AudioDepacketizer {
  push(packet: RtpPacket): readonly AudioUnit[];
  lose(): void;
}

interface AudioForm {
  readonly config: SourceAudioConfig;
  readonly depacketizer: AudioDepacketizer;
  /** What one unit lasts. */
  durationMs(unit: Uint8Array): number | undefined;
}

const AAC_SAMPLES = 1_024;
/** G.711 as cameras send it: a byte is a sample. */
const pcmCodecs: ReadonlyMap<string, "pcma" | "pcmu"> = new Map([
  ["PCMA", "pcma"],
  ["PCMU", "pcmu"],
]);
const MAX_PCM_RATE = 48_000;

/** Whether a track's packets can be taken apart here. */
export function isReadable({ kind, encoding, parameters, clockRate, channels }: DescribedTrack): boolean {
  if (kind === "video") return Object.hasOwn(videoDepacketizers, encoding);
  if (pcmCodecs.has(encoding))
    return clockRate >= 8_000 && clockRate <= MAX_PCM_RATE && (channels === 1 || channels === 2);
  return encoding === "OPUS" || (encoding === "MPEG4-GENERIC" && isAac(parameters));
}

function isAac(parameters: string): boolean {
  try {
    const aac = readAacParameters(parameters);
    return aac !== undefined && parseAudioSpecificConfig(aac.config).channels > 0;
  } catch (error) {
    if (error instanceof BitstreamError) return false;
    throw error;
  }
}

export interface ChosenTracks {
  readonly video: DescribedTrack | undefined;
  readonly audio: DescribedTrack | undefined;
}

/** The packets of a server's tracks become samples here. They come in order, by TCP; what a server leaves out is lost. */
export class RtspIntake {
  readonly #tracks: ChosenTracks;
  readonly #video: VideoDepacketizer | undefined;
  readonly #audio: AudioForm | undefined;
  readonly #clock: MediaClock;
  readonly #decoding = new DecodeClock<Omit<DepacketizedPicture, "timestamp"> & ShownPicture>();
  readonly #configs = new KnownConfigs();
  readonly #next = new Map<"video" | "audio", number>();

  /** Of tracks that are readable. */
  constructor(tracks: ChosenTracks) {
    const { video, audio } = tracks;
    this.#tracks = tracks;
    this.#video = video && videoDepacketizers[video.encoding]!(video.parameters);
    this.#audio = audio && readAudioForm(audio);
    this.#clock = new MediaClock({ video: video?.clockRate ?? 90_000, audio: audio?.clockRate ?? OPUS_SAMPLE_RATE });
  }

  /** A packet of media. @throws WhipError, BitstreamError for media that cannot go on */
  push(kind: "video" | "audio", bytes: Uint8Array, nowMs: number): PublishItem[] {
    const packet = parseRtp(bytes);
    if (packet === undefined || packet.payloadType !== this.#tracks[kind]?.payloadType) return [];
    const isLost = this.#next.get(kind) !== undefined && this.#next.get(kind) !== packet.sequence;
    // Padding alone: what is missing before it is told by the next packet of media.
    if (packet.payload.length === 0 && isLost) return [];
    this.#next.set(kind, (packet.sequence + 1) & 0xffff);
    if (packet.payload.length === 0) return [];
    if (kind === "video") return this.#pushVideo(packet, isLost, nowMs);
    return this.#pushAudio(packet, isLost, nowMs);
  }

  /** A packet of reports. Tells whether the track is over. */
  report(kind: "video" | "audio", bytes: Uint8Array): boolean {
    const items = parseRtcp(bytes);
    for (const item of items) {
      if (item.type === "senderReport") this.#clock.report(kind, item.ntpMs, item.timestamp);
    }
    return items.some(({ type }) => type === "bye");
  }

  #pushVideo(packet: RtpPacket, isLost: boolean, nowMs: number): PublishItem[] {
    if (isLost) this.#video!.lose();
    return this.#video!.push(packet)
      .map(({ timestamp, ...picture }) => ({ ...picture, shownMs: this.#clock.video(timestamp, nowMs) }))
      .flatMap((picture) => this.#decoding.push(picture))
      .flatMap(({ picture: { key, data, config }, time }): PublishItem[] => [
        ...this.#configure(config),
        { type: "video", sample: { ...time, key, data } },
      ]);
  }

  #pushAudio(packet: RtpPacket, isLost: boolean, nowMs: number): PublishItem[] {
    const { depacketizer, durationMs, config } = this.#audio!;
    if (isLost) depacketizer.lose();
    return depacketizer.push(packet).flatMap(({ timestamp, data }) => {
      const lastsMs = durationMs(data);
      const dtsMs = lastsMs === undefined ? undefined : this.#clock.audio(timestamp, lastsMs, nowMs);
      if (dtsMs === undefined) return [];
      return [...this.#configure(config), { type: "audio", sample: { dtsMs, data: Uint8Array.from(data) } }];
    });
  }

  #configure(config: SourceConfig | undefined): PublishItem[] {
    return config !== undefined && this.#configs.isNew(config) ? [{ type: "config", config }] : [];
  }
}

function readAudioForm({ encoding, parameters, clockRate, channels }: DescribedTrack): AudioForm {
  const pcm = pcmCodecs.get(encoding);
  if (pcm !== undefined) return pcmForm(pcm, clockRate, channels);
  if (encoding === "OPUS") {
    return {
      config: opusConfig,
      depacketizer: { push: ({ timestamp, payload }) => [{ timestamp, data: payload }], lose: () => {} },
      durationMs: (unit) => {
        const samples = opusPacketSamples(unit);
        return samples && (samples * 1_000) / OPUS_SAMPLE_RATE;
      },
    };
  }
  const aac = readAacParameters(parameters)!;
  const { sampleRate } = parseAudioSpecificConfig(aac.config);
  return {
    config: audioReaders.mp4a!.configure(aac.config),
    depacketizer: new AacDepacketizer(aac, Math.round((AAC_SAMPLES * clockRate) / sampleRate)),
    durationMs: () => (AAC_SAMPLES * 1_000) / sampleRate,
  };
}

function pcmForm(codec: "pcma" | "pcmu", sampleRate: number, channels: number): AudioForm {
  const shape = { kind: "audio", codec, timescale: sampleRate, sampleRate, channels } as const;
  return {
    config: { ...shape, description: new Uint8Array(0), codecString: codec },
    depacketizer: {
      push: ({ timestamp, payload }) => (payload.length < channels ? [] : [{ timestamp, data: payload }]),
      lose: () => {},
    },
    durationMs: (unit) => (Math.floor(unit.length / channels) * 1_000) / sampleRate,
  };
}
