import type { SourceVideoCodec } from "@leat/sdk/protocol/frame.ts";
import { WebrtcError } from "../webrtc/errors.ts";
import type { AnsweredMedia } from "../webrtc/sdp-answer.ts";
import type { Offer, OfferedCodec, OfferedMedia } from "../webrtc/sdp-offer.ts";
import { WhipError } from "./errors.ts";
import type { MediaCodecs } from "./media-intake.ts";

/** Chromium begins with a tenth of that and takes half a minute to find out that more fits. */
const START_KBPS = 2_500;

/** Browsers send one channel unless they are asked for two (RFC 7587, 7.1). */
const wishes = { video: `x-google-start-bitrate=${START_KBPS}`, audio: "stereo=1" } as const;

export interface WhipChoice extends MediaCodecs {
  readonly answered: readonly AnsweredMedia[];
}

/**
 * What is taken of a publisher's offer: H.264 before VP9, since every rung's transcoder and most viewers know it, VP8,
 * which no viewer gets as it came in, where there is nothing else; and Opus.
 * @throws WHIP_NOTHING_SENT, WEBRTC_CODEC_UNSUPPORTED
 */
export function chooseCodecs({ media }: Offer): WhipChoice {
  const sent = media.filter(({ sends }) => sends);
  if (sent.length === 0) throw new WhipError({ code: "WHIP_NOTHING_SENT" });
  const chosen = new Map(sent.map((one) => [one, one.kind === "video" ? findVideo(one) : findAudio(one)]));
  const codecOf = (kind: string) => [...chosen].find(([one]) => one.kind === kind)?.[1];
  const answered = media.map((one): AnsweredMedia => {
    const codec = chosen.get(one);
    return {
      kind: one.kind,
      mid: one.mid,
      codec: codec && forPublisher(codec, wishes[one.kind]),
      direction: "recvonly",
    };
  });
  return { video: codecOf("video"), audio: codecOf("audio"), answered };
}

/** What a codec of the choice is called in all that follows. */
export function sourceCodecOf({ name }: OfferedCodec): SourceVideoCodec {
  if (name === "VP8") return "vp8";
  return name === "VP9" ? "vp9" : "h264";
}

export function h264Mode({ parameters }: OfferedCodec): number {
  return Number(/(?:^|;)\s*packetization-mode=(\d)/.exec(parameters)?.[1] ?? 0);
}

export function vp9Profile({ parameters }: OfferedCodec): number {
  return Number(/(?:^|;)\s*profile-id=(\d)/.exec(parameters)?.[1] ?? 0);
}

function findVideo({ codecs }: OfferedMedia): OfferedCodec {
  const h264 = codecs.filter(({ name, clockRate }) => name === "H264" && clockRate === 90_000);
  const found =
    h264.find((codec) => h264Mode(codec) === 1) ??
    h264.find((codec) => h264Mode(codec) === 0) ??
    codecs.find((codec) => codec.name === "VP9" && codec.clockRate === 90_000 && vp9Profile(codec) === 0) ??
    codecs.find(({ name, clockRate }) => name === "VP8" && clockRate === 90_000);
  return found ?? refuse("video", codecs);
}

function findAudio({ codecs }: OfferedMedia): OfferedCodec {
  const found = codecs.find(({ name, clockRate }) => name === "OPUS" && clockRate === 48_000);
  return found ?? refuse("audio", codecs);
}

/** The offer's own parameters, without what they say of what is sent or wished for there, and what we wish for. */
function forPublisher(codec: OfferedCodec, wish: string): OfferedCodec {
  const offered = codec.parameters.split(";").map((one) => one.trim());
  const kept = offered.filter((one) => one !== "" && !/^(sprop-|stereo=)/.test(one));
  return { ...codec, parameters: [...kept, wish].join(";") };
}

function refuse(kind: "video" | "audio", codecs: readonly OfferedCodec[]): never {
  const offered = [...new Set(codecs.map(({ name }) => name))].join(",").slice(0, 128);
  throw new WebrtcError({ code: "WEBRTC_CODEC_UNSUPPORTED", kind, offered });
}
