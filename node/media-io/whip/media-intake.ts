import { OPUS_SAMPLE_RATE, opusPacketSamples, parseOpusHead } from "@leat/sdk/protocol/bitstream/opus.ts";
import { type AudioConfig, isSameConfig, type SourceConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_CONFIG_CHANGES, type PublishItem } from "@leat/sdk/protocol/published.ts";
import { parseRtcp } from "../webrtc/rtcp.ts";
import { isRtcp, parseRtp, type RtpPacket } from "../webrtc/rtp.ts";
import type { OfferedCodec } from "../webrtc/sdp-offer.ts";
import type { DepacketizedPicture, VideoDepacketizer } from "./depacketizer.ts";
import { WhipError } from "./errors.ts";
import { H264Depacketizer } from "./h264-depacketizer.ts";
import { MediaClock } from "./media-clock.ts";
import { Reception } from "./reception.ts";
import { Vp8Depacketizer } from "./vp8-depacketizer.ts";
import { Vp9Depacketizer } from "./vp9-depacketizer.ts";

export interface MediaCodecs {
  readonly video: OfferedCodec | undefined;
  readonly audio: OfferedCodec | undefined;
}

/** A retransmission takes a round trip, and another where it is lost too. */
const VIDEO_WAIT_MS = 250;
/** Sound is not sent again: it may only have been overtaken. */
const AUDIO_WAIT_MS = 60;
/** 200 Mb/s for the wait above, in packets of 1,200 bytes. */
const MAX_PACKETS = 4_096;
/** Pictures out of their order by accident are one or two; B-frames are every other one. */
const MAX_TURNS = 8;

/**
 * One publisher's packets become samples here, whatever the order they come in. Knows no socket and no timer: `tick`
 * is called every few milliseconds.
 */
export class MediaIntake {
  readonly video: Reception;
  readonly audio: Reception;
  readonly #codecs: MediaCodecs;
  readonly #depacketizer: VideoDepacketizer;
  readonly #clock = new MediaClock();
  readonly #configs = new Map<SourceConfig["kind"], SourceConfig>();
  #configChanges = 0;
  #lastDtsMs = Number.NEGATIVE_INFINITY;
  #turns = 0;
  #lastKeyMs: number | undefined;
  #lastMediaMs: number | undefined;
  #malformed = 0;

  constructor(codecs: MediaCodecs, nowMs: number) {
    this.#codecs = codecs;
    this.#depacketizer = createDepacketizer(codecs.video);
    this.video = new Reception({ maxPackets: MAX_PACKETS, waitMs: VIDEO_WAIT_MS }, 90_000, nowMs);
    this.audio = new Reception({ maxPackets: MAX_PACKETS, waitMs: AUDIO_WAIT_MS }, OPUS_SAMPLE_RATE, nowMs);
  }

  get malformed(): number {
    return this.#malformed + this.#depacketizer.malformed;
  }

  /** Pictures are missing before the next key frame. */
  get needsKey(): boolean {
    return this.#depacketizer.needsKey;
  }

  /** When the newest key frame came. */
  get lastKeyMs(): number | undefined {
    return this.#lastKeyMs;
  }

  /** When a packet of one of the two tracks came last: reports alone are no publish. */
  get lastMediaMs(): number | undefined {
    return this.#lastMediaMs;
  }

  /** @throws WhipError, BitstreamError for media that cannot go on */
  push(bytes: Uint8Array, nowMs: number): PublishItem[] {
    if (isRtcp(bytes)) {
      this.#takeReports(bytes, nowMs);
      return [];
    }
    const packet = parseRtp(bytes);
    const track = packet === undefined ? undefined : this.#trackOf(packet);
    if (packet === undefined || track === undefined) {
      this.#malformed += 1;
      return [];
    }
    if (packet.payload.length > 0) this.#lastMediaMs = nowMs;
    const { ssrc } = this[track];
    if (ssrc !== undefined && ssrc !== packet.ssrc) this.#clock.restart(track);
    return this.#takeAll(track, this[track].push(packet, nowMs), nowMs);
  }

  tick(nowMs: number): PublishItem[] {
    return [
      ...this.#takeAll("video", this.video.release(nowMs), nowMs),
      ...this.#takeAll("audio", this.audio.release(nowMs), nowMs),
    ];
  }

  #trackOf({ payloadType }: RtpPacket): "video" | "audio" | undefined {
    if (payloadType === this.#codecs.video?.payloadType) return "video";
    return payloadType === this.#codecs.audio?.payloadType ? "audio" : undefined;
  }

  #takeReports(bytes: Uint8Array, nowMs: number): void {
    for (const item of parseRtcp(bytes)) {
      if (item.type !== "senderReport") continue;
      for (const kind of ["video", "audio"] as const) {
        if (this[kind].ssrc !== item.ssrc) continue;
        this[kind].report(item.ntpMs, nowMs);
        this.#clock.report(kind, item.ntpMs, item.timestamp);
      }
    }
  }

  #takeAll(track: "video" | "audio", packets: readonly (RtpPacket | "lost")[], nowMs: number): PublishItem[] {
    return packets.flatMap((packet) => {
      if (packet !== "lost" && packet.payload.length === 0) return [];
      if (track === "audio") return packet === "lost" ? [] : this.#takeAudio(packet, nowMs);
      if (packet !== "lost")
        return this.#depacketizer.push(packet).flatMap((picture) => this.#takePicture(picture, nowMs));
      this.#depacketizer.lose();
      return [];
    });
  }

  #takePicture({ timestamp, key, data, config }: DepacketizedPicture, nowMs: number): PublishItem[] {
    const dtsMs = this.#clock.video(timestamp, nowMs);
    // Packets carry the time of showing alone: with pictures out of that order none can be had for decoding.
    if (dtsMs < this.#lastDtsMs) this.#turns += 1;
    else if (key) this.#turns = 0;
    if (this.#turns > MAX_TURNS) throw new WhipError({ code: "WHIP_PICTURES_REORDERED" });
    this.#lastDtsMs = dtsMs;
    if (key) this.#lastKeyMs = nowMs;
    return [...this.#configure(config), { type: "video", sample: { dtsMs, ctsMs: 0, key, data } }];
  }

  #takeAudio({ timestamp, payload }: RtpPacket, nowMs: number): PublishItem[] {
    const samples = opusPacketSamples(payload);
    if (samples === undefined) {
      this.#malformed += 1;
      return [];
    }
    const dtsMs = this.#clock.audio(timestamp, (samples * 1000) / OPUS_SAMPLE_RATE, nowMs);
    if (dtsMs === undefined) return [];
    return [...this.#configure(opusConfig), { type: "audio", sample: { dtsMs, data: Uint8Array.from(payload) } }];
  }

  #configure(config: SourceConfig | undefined): PublishItem[] {
    if (config === undefined) return [];
    const before = this.#configs.get(config.kind);
    if (before === config || (before !== undefined && isSameConfig(before, config))) return [];
    this.#configs.set(config.kind, config);
    this.#configChanges += 1;
    if (this.#configChanges > MAX_CONFIG_CHANGES) {
      throw new WhipError({ code: "WHIP_CONFIG_CHANGES_EXCEEDED", limit: MAX_CONFIG_CHANGES });
    }
    return [{ type: "config", config }];
  }
}

function createDepacketizer(codec: OfferedCodec | undefined): VideoDepacketizer {
  if (codec?.name === "VP8") return new Vp8Depacketizer();
  return codec?.name === "VP9" ? new Vp9Depacketizer() : new H264Depacketizer(codec?.parameters);
}

/** RTP says nothing of how many channels a packet has: decoders of two play those of one on both. */
export const opusConfig: AudioConfig = {
  kind: "audio",
  codec: "opus",
  timescale: OPUS_SAMPLE_RATE,
  sampleRate: OPUS_SAMPLE_RATE,
  // "OpusHead", version 1, two channels, no pre-skip, 48 kHz, no gain, the usual two places.
  ...parseOpusHead(
    Uint8Array.of(0x4f, 0x70, 0x75, 0x73, 0x48, 0x65, 0x61, 0x64, 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0),
  ),
  codecString: "opus",
};
