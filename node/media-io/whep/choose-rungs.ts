import { OPUS_RUNG, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { AnsweredMedia } from "../webrtc/sdp-answer.ts";
import type { Offer, OfferedCodec, OfferedMedia } from "../webrtc/sdp-offer.ts";
import { WhepError } from "./errors.ts";

/** One track of a viewer: what it gets, and as what. */
export interface ChosenTrack {
  readonly rung: number;
  readonly codec: OfferedCodec;
  readonly ssrc: number;
  /** Undefined where the viewer cannot be told how late to show it. */
  readonly playoutDelayId?: number | undefined;
}

export interface WhepChoice {
  readonly video: ChosenTrack | undefined;
  readonly audio: ChosenTrack | undefined;
  readonly answered: readonly AnsweredMedia[];
}

/** What a rung's frames show. */
export interface RungLook {
  /** RFC 6381, of a rung whose configuration is known. */
  readonly codecString: string | undefined;
  /** Pictures refer to later ones: WebRTC cannot show them. */
  readonly isReordered: boolean;
}

export interface ChoiceInput {
  readonly offer: Offer;
  readonly renditions: readonly RenditionInfo[];
  /** A rung's name, where the viewer wants one. */
  readonly rung: string | undefined;
  readonly look: (rung: number) => RungLook;
  readonly ssrcs: { readonly video: number; readonly audio: number };
}

/**
 * The largest rung of H.264 that the viewer can show, or of VP9 or else AV1 where it offers no H.264 or the stream has
 * none, without pictures that refer to later ones; and Opus where the stream has it. @throws WHEP_…
 */
export function chooseRungs({ offer, renditions, rung, look, ssrcs }: ChoiceInput): WhepChoice {
  const wanted = offer.media.filter(({ receives }) => receives);
  if (wanted.length === 0) throw new WhepError({ code: "WHEP_NOTHING_WANTED" });
  if (rung !== undefined && !renditions.some(({ name, kind }) => name === rung && kind === "video")) {
    throw new WhepError({ code: "WHEP_RUNG_UNKNOWN" });
  }
  const [video, audio] = ["video", "audio"].map((kind) => wanted.find((one) => one.kind === kind));
  const offered = renditions.filter(({ kind, name }) => kind === "video" && (rung === undefined || name === rung));
  const shown = offered.filter((one) => !look(one.rung).isReordered);
  const codecStringOf = (one: number) => look(one).codecString;
  const picture = video && findVideo(video, shown, codecStringOf);
  if (video !== undefined && picture === undefined && findVideo(video, offered, codecStringOf) !== undefined) {
    throw new WhepError({ code: "WHEP_PICTURES_REORDERED" });
  }
  const sound = audio && renditions.some((one) => one.rung === OPUS_RUNG) ? findOpus(audio) : undefined;
  if (picture === undefined && (sound === undefined || offered.length > 0)) {
    const names = [...new Set(wanted.flatMap(({ codecs }) => codecs.map(({ name }) => name)))];
    throw new WhepError({ code: "WHEP_CODEC_UNSUPPORTED", offered: names.join(",").slice(0, 128) });
  }
  const tracks: Pick<WhepChoice, "video" | "audio"> = {
    video: picture && { ...picture, ssrc: ssrcs.video, playoutDelayId: video!.playoutDelayId },
    audio: sound && { rung: OPUS_RUNG, codec: sound, ssrc: ssrcs.audio },
  };
  const answered = offer.media.map(({ kind, mid }): AnsweredMedia => {
    const track = tracks[kind];
    const source = track && { ssrc: track.ssrc, name: "leat" };
    const { playoutDelayId } = track ?? {};
    const facts = { kind, mid, codec: track?.codec, playoutDelayId };
    return { ...facts, direction: "sendonly", ...(source === undefined ? {} : { source }) };
  });
  return { ...tracks, answered };
}

function findVideo(
  { codecs }: OfferedMedia,
  renditions: readonly RenditionInfo[],
  codecStringOf: (rung: number) => string | undefined,
): { rung: number; codec: OfferedCodec } | undefined {
  const sizeOf = ({ width = 0, height = 0 }: RenditionInfo) => width * height;
  const largest = (family: string) =>
    renditions.filter(({ codec }) => codec === family).toSorted((left, right) => sizeOf(right) - sizeOf(left))[0];
  const h264 = largest("h264");
  if (h264 !== undefined) {
    const codec = findH264(codecs, codecStringOf(h264.rung)?.slice(5, 7));
    if (codec !== undefined) return { rung: h264.rung, codec };
  }
  const vp9 = largest("vp9");
  const codec = codecs.find(({ name, parameters }) => name === "VP9" && !/profile-id=[1-3]/.test(parameters));
  if (vp9 !== undefined && codec !== undefined) return { rung: vp9.rung, codec };
  const av1 = largest("av1");
  const newest = codecs.find(({ name, parameters }) => name === "AV1" && !/profile=[12]/.test(parameters));
  return av1 === undefined || newest === undefined ? undefined : { rung: av1.rung, codec: newest };
}

/** The payload type of the stream's own profile, where there is one: decoders take the others too. */
function findH264(codecs: readonly OfferedCodec[], profile: string | undefined): OfferedCodec | undefined {
  const usable = codecs.filter(
    ({ name, parameters }) => name === "H264" && /(?:^|;)\s*packetization-mode=1/.test(parameters),
  );
  const isOf = ({ parameters }: OfferedCodec) =>
    /(?:^|;)\s*profile-level-id=([0-9a-f]{2})/i.exec(parameters)?.[1]?.toLowerCase() === profile;
  return usable.find(isOf) ?? usable[0];
}

function findOpus({ codecs }: OfferedMedia): OfferedCodec | undefined {
  return codecs.find(({ name, clockRate }) => name === "OPUS" && clockRate === 48_000);
}
