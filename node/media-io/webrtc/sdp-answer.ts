import { WebrtcError } from "./errors.ts";
import {
  type IceCredentials,
  type Offer,
  type OfferedCodec,
  PLAYOUT_DELAY_URI,
  readCandidate,
  readIce,
} from "./sdp-offer.ts";

/** Of one media of the offer: the codec that was chosen, and what we do with it. */
export interface AnsweredMedia {
  readonly kind: "video" | "audio";
  readonly mid: string;
  /** Undefined: refused. */
  readonly codec: OfferedCodec | undefined;
  readonly direction: "recvonly" | "sendonly";
  /** Of what we send. */
  readonly source?: { readonly ssrc: number; readonly name: string };
  /** Of what we send: the number under which we may say how late to show it. */
  readonly playoutDelayId?: number | undefined;
}

/** What our end of the transport is. */
export interface Transport {
  readonly ice: IceCredentials;
  readonly fingerprint: string;
  readonly setup: string;
  /** Without `candidate:`. */
  readonly candidates: readonly string[];
}

/** Feedback that we understand, or send. */
const videoFeedback = ["nack", "nack pli", "ccm fir", "goog-remb"];

/**
 * The offer as the native library sees it: one media whatever the client has, since one transport carries all and we
 * tell packets apart ourselves; and nothing in it that we did not read and write anew.
 */
export function writeTransportOffer({ ice, fingerprint, setup, candidates, media }: Offer): string {
  return sdpText([
    ...sessionLines([media[0]!.mid]),
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "c=IN IP4 0.0.0.0",
    `a=mid:${media[0]!.mid}`,
    "a=sendrecv",
    "a=rtcp-mux",
    `a=ice-ufrag:${ice.ufrag}`,
    `a=ice-pwd:${ice.pwd}`,
    "a=ice-options:trickle",
    `a=fingerprint:${fingerprint}`,
    `a=setup:${setup}`,
    "a=rtpmap:96 H264/90000",
    ...candidates.map((candidate) => `a=${candidate}`),
  ]);
}

/** Our end of the transport, out of what the native library answered. */
export function readTransport(sdp: string): Transport {
  const valuesOf = (name: string) => {
    const start = `a=${name}:`;
    return sdp.split(/\r?\n/).flatMap((line) => (line.startsWith(start) ? [line.slice(start.length)] : []));
  };
  const fingerprint = valuesOf("fingerprint")[0];
  if (fingerprint === undefined) throw new WebrtcError({ code: "WEBRTC_UNAVAILABLE", reason: "no fingerprint" });
  return {
    ice: readIce(valuesOf("ice-ufrag")[0], valuesOf("ice-pwd")[0]),
    fingerprint,
    setup: valuesOf("setup")[0] ?? "passive",
    candidates: valuesOf("candidate")
      .flatMap(readCandidate)
      .map((candidate) => candidate.slice("candidate:".length)),
  };
}

/** Host candidates at the addresses under which the node is reached, where its own are behind a translator's. */
export function candidatesAt(transport: Transport, addresses: readonly string[]): Transport {
  const port = transport.candidates[0]?.split(" ")[5];
  if (addresses.length === 0 || port === undefined) return transport;
  const candidates = addresses.map(
    (address, index) => `${index + 1} 1 UDP ${2_122_252_543 - index * 256} ${address} ${port} typ host`,
  );
  return { ...transport, candidates };
}

export function writeAnswer(transport: Transport, media: readonly AnsweredMedia[]): string {
  const taken = media.filter(({ codec }) => codec !== undefined);
  const [carrier] = taken;
  return sdpText([
    ...sessionLines(taken.map(({ mid }) => mid)),
    ...media.flatMap((one) => mediaLines(one, transport, one === carrier)),
  ]);
}

function sessionLines(mids: readonly string[]): string[] {
  return [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mids.join(" ")}`,
    "a=msid-semantic:WMS *",
  ];
}

function mediaLines(media: AnsweredMedia, at: Transport, carries: boolean): string[] {
  const { kind, mid, codec, direction, source, playoutDelayId } = media;
  if (codec === undefined) return [`m=${kind} 0 UDP/TLS/RTP/SAVPF 0`, "c=IN IP4 0.0.0.0", `a=mid:${mid}`, "a=inactive"];
  const { payloadType, name, clockRate, channels, parameters, feedback } = codec;
  const map = kind === "audio" ? `${name.toLowerCase()}/${clockRate}/${channels}` : `${name}/${clockRate}`;
  const spoken = kind === "video" ? feedback.filter((one) => videoFeedback.includes(one)) : [];
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloadType}`,
    "c=IN IP4 0.0.0.0",
    `a=mid:${mid}`,
    `a=${direction}`,
    "a=rtcp-mux",
    "a=rtcp-rsize",
    `a=ice-ufrag:${at.ice.ufrag}`,
    `a=ice-pwd:${at.ice.pwd}`,
    `a=fingerprint:${at.fingerprint}`,
    `a=setup:${at.setup}`,
    `a=rtpmap:${payloadType} ${map}`,
    ...(parameters === "" ? [] : [`a=fmtp:${payloadType} ${parameters}`]),
    ...(playoutDelayId === undefined ? [] : [`a=extmap:${playoutDelayId} ${PLAYOUT_DELAY_URI}`]),
    ...spoken.map((one) => `a=rtcp-fb:${payloadType} ${one}`),
    ...(source === undefined
      ? []
      : [`a=msid:${source.name} ${source.name}-${kind}`, `a=ssrc:${source.ssrc} cname:${source.name}`]),
    ...(carries ? [...at.candidates.map((candidate) => `a=candidate:${candidate}`), "a=end-of-candidates"] : []),
  ];
}

function sdpText(lines: readonly string[]): string {
  return `${lines.join("\r\n")}\r\n`;
}
