import { isIP } from "node:net";
import { WebrtcError } from "./errors.ts";
import { MAX_CANDIDATES, MAX_FORMATS, MAX_SDP_BYTES, MAX_SDP_LINES } from "./limits.ts";

/** One payload type of an offer. */
export interface OfferedCodec {
  readonly payloadType: number;
  /** In capitals: `H264`, `VP8`, `OPUS`. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number;
  /** The fmtp line's parameters, as they stand there; empty without one. */
  readonly parameters: string;
  readonly feedback: readonly string[];
}

export interface OfferedMedia {
  readonly kind: "video" | "audio";
  readonly mid: string;
  readonly codecs: readonly OfferedCodec[];
  readonly sends: boolean;
  readonly receives: boolean;
  /** What the client calls the extension by which it can be told how late to show what comes. */
  readonly playoutDelayId: number | undefined;
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** What is needed of a browser's offer; everything else in it is left behind. */
export interface Offer {
  readonly ice: IceCredentials;
  /** `sha-256 AB:CD:…` */
  readonly fingerprint: string;
  readonly setup: "actpass" | "active" | "passive";
  readonly media: readonly OfferedMedia[];
  readonly candidates: readonly string[];
}

export const PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

const token = /^[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}$/;
const iceText = /^[A-Za-z0-9+/]+$/;
const fingerprintText = /^(sha-(?:256|384|512)) ((?:[0-9A-Fa-f]{2}:){31,63}[0-9A-Fa-f]{2})$/i;
/** Printable, with nothing that could end a line. */
const parameterText = /^[ -~]{1,512}$/;

/**
 * Reads an offer of WHIP or WHEP: at most one video and one audio, bundled over one transport with DTLS.
 * @throws WEBRTC_SDP_TOO_LARGE, WEBRTC_SDP_INVALID, WEBRTC_MEDIA_UNSUPPORTED, WEBRTC_CANDIDATES_EXCEEDED
 */
export function parseOffer(sdp: string): Offer {
  const lines = readLines(sdp);
  if (lines[0] !== "v=0") throw invalid("version");
  const starts = lines.flatMap((line, index) => (line.startsWith("m=") ? [index] : []));
  if (starts.length === 0) throw invalid("no media");
  if (starts.length > 2) throw unsupported("more than two media");
  const session = new Section(lines.slice(0, starts[0]));
  const sections = starts.map((start, index) => new Section(lines.slice(start, starts[index + 1])));
  const media = sections.map((section) => readMedia(section, session));
  const [first] = sections as [Section, ...Section[]];
  if (media.length === 2) {
    if (media[0]!.kind === media[1]!.kind) throw unsupported(`two of ${media[0]!.kind}`);
    if (media[0]!.mid === media[1]!.mid) throw invalid("mid twice");
    const bundles = session.all("group").map((group) => group.split(" "));
    const isBundled = bundles.some(
      ([kind, ...mids]) => kind === "BUNDLE" && media.every(({ mid }) => mids.includes(mid)),
    );
    if (!isBundled) throw unsupported("media that is not bundled");
  }
  const candidates = sections.flatMap((section) => section.all("candidate")).flatMap(readCandidate);
  if (candidates.length > MAX_CANDIDATES) {
    throw new WebrtcError({ code: "WEBRTC_CANDIDATES_EXCEEDED", limit: MAX_CANDIDATES });
  }
  const setup = first.one("setup") ?? session.one("setup") ?? "";
  if (setup !== "actpass" && setup !== "active" && setup !== "passive") throw invalid("setup");
  return {
    ice: readIce(first.one("ice-ufrag") ?? session.one("ice-ufrag"), first.one("ice-pwd") ?? session.one("ice-pwd")),
    fingerprint: readFingerprint(first.one("fingerprint") ?? session.one("fingerprint") ?? ""),
    setup,
    media,
    candidates,
  };
}

/** @throws WEBRTC_SDP_INVALID for a fragment's credentials as for an offer's */
export function readIce(ufrag: string | undefined, pwd: string | undefined): IceCredentials {
  if (ufrag === undefined || ufrag.length < 4 || ufrag.length > 256 || !iceText.test(ufrag)) throw invalid("ice-ufrag");
  if (pwd === undefined || pwd.length < 22 || pwd.length > 256 || !iceText.test(pwd)) throw invalid("ice-pwd");
  return { ufrag, pwd };
}

/** @throws WEBRTC_SDP_TOO_LARGE, WEBRTC_SDP_INVALID */
export function readLines(sdp: string): string[] {
  if (sdp.length > MAX_SDP_BYTES) throw new WebrtcError({ code: "WEBRTC_SDP_TOO_LARGE", limit: MAX_SDP_BYTES });
  const lines = sdp.split(/\r\n|\n|\r/).filter((line) => line !== "");
  if (lines.length > MAX_SDP_LINES) throw invalid("too many lines");
  if (lines.some((line) => !/^[a-z]=/.test(line))) throw invalid("a line without a type");
  return lines;
}

/**
 * A candidate that can be tried: UDP, at an address. Names are left out (a browser hides its local address behind one,
 * and reaches us all the same), so that nobody makes this node look up names.
 */
export function readCandidate(text: string): string[] {
  const parts = text.trim().split(/\s+/);
  const [foundation = "", component, transport, priority = "", address = "", port = "", typ, type = ""] = parts;
  const isRead =
    /^[A-Za-z0-9+/]{1,32}$/.test(foundation) &&
    component === "1" &&
    transport?.toLowerCase() === "udp" &&
    /^\d{1,10}$/.test(priority) &&
    isIP(address) !== 0 &&
    /^\d{1,5}$/.test(port) &&
    Number(port) > 0 &&
    Number(port) < 65_536 &&
    typ === "typ" &&
    /^(host|srflx|prflx|relay)$/.test(type);
  return isRead ? [`candidate:${foundation} 1 UDP ${priority} ${address} ${port} typ ${type}`] : [];
}

/** The `a=` lines of one part of a description. */
class Section {
  readonly head: string;
  readonly #attributes: readonly (readonly [name: string, value: string])[];

  constructor(lines: readonly string[]) {
    this.head = lines[0] ?? "";
    this.#attributes = lines
      .filter((line) => line.startsWith("a="))
      .map((line) => {
        const colon = line.indexOf(":");
        return colon < 0 ? ([line.slice(2), ""] as const) : ([line.slice(2, colon), line.slice(colon + 1)] as const);
      });
  }

  all(wanted: string): string[] {
    return this.#attributes.flatMap(([name, value]) => (name === wanted ? [value] : []));
  }

  one(wanted: string): string | undefined {
    return this.all(wanted)[0];
  }

  has(wanted: string): boolean {
    return this.one(wanted) !== undefined;
  }
}

function readMedia(section: Section, session: Section): OfferedMedia {
  const [kind, port, protocol, ...formats] = section.head.slice(2).split(" ");
  if (kind !== "video" && kind !== "audio") throw unsupported(`media of kind ${(kind ?? "").slice(0, 16)}`);
  if (protocol === undefined || !/^(UDP\/TLS|TCP\/TLS)\/RTP\/SAVPF?$/.test(protocol)) throw unsupported("transport");
  if (port === undefined || !/^\d{1,5}$/.test(port)) throw invalid("port");
  if (formats.length === 0 || formats.length > MAX_FORMATS) throw invalid("formats");
  const mid = section.one("mid") ?? "";
  if (!token.test(mid)) throw invalid("mid");
  const direction = ["sendrecv", "sendonly", "recvonly", "inactive"].find(
    (one) => section.has(one) || session.has(one),
  );
  return {
    kind,
    mid,
    codecs: formats.flatMap((format) => readCodec(section, format)),
    sends: direction !== "recvonly" && direction !== "inactive",
    receives: direction !== "sendonly" && direction !== "inactive",
    playoutDelayId: readExtension(section, PLAYOUT_DELAY_URI),
  };
}

/** The number of an extension that fits into a byte's half, as all of one packet have to. */
function readExtension(section: Section, uri: string): number | undefined {
  const line = section.all("extmap").find((one) => one.split(" ")[1] === uri);
  const id = Number(/^(\d{1,3})(?:\/\w+)? /.exec(line ?? "")?.[1]);
  return id >= 1 && id <= 14 ? id : undefined;
}

function readCodec(section: Section, format: string): OfferedCodec[] {
  if (!/^\d{1,3}$/.test(format) || Number(format) > 127) throw invalid("payload type");
  const attribute = (name: string) =>
    section.all(name).flatMap((line) => (line.startsWith(`${format} `) ? [line.slice(format.length + 1)] : []));
  const [, name, clock, channels] =
    /^([A-Za-z0-9._-]{1,32})\/(\d{1,9})(?:\/(\d{1,2}))?$/.exec(attribute("rtpmap")[0] ?? "") ?? [];
  // Without a name it is one of the old fixed types, none of which is taken here.
  if (name === undefined) return [];
  const parameters = attribute("fmtp")[0] ?? "";
  if (parameters !== "" && !parameterText.test(parameters)) throw invalid("fmtp");
  return [
    {
      payloadType: Number(format),
      name: name.toUpperCase(),
      clockRate: Number(clock),
      channels: Number(channels ?? 1),
      parameters,
      feedback: attribute("rtcp-fb").slice(0, 16),
    },
  ];
}

function readFingerprint(text: string): string {
  const [, algorithm, value] = fingerprintText.exec(text.trim()) ?? [];
  const bytes = { "sha-256": 32, "sha-384": 48, "sha-512": 64 }[(algorithm ?? "").toLowerCase()];
  if (value === undefined || value.length !== (bytes ?? 0) * 3 - 1) throw invalid("fingerprint");
  return `${algorithm!.toLowerCase()} ${value.toUpperCase()}`;
}

function invalid(what: string): WebrtcError {
  return new WebrtcError({ code: "WEBRTC_SDP_INVALID", what });
}

function unsupported(what: string): WebrtcError {
  return new WebrtcError({ code: "WEBRTC_MEDIA_UNSUPPORTED", what });
}
