/** Parts of an offer as a browser makes it, each to be left out or replaced. */
export interface OfferParts {
  readonly direction?: string;
  readonly candidates?: readonly string[];
  readonly video?: readonly string[];
  readonly audio?: readonly string[] | undefined;
  readonly session?: readonly string[];
  readonly transport?: readonly string[];
}

export const ufrag = "wxYz";
export const pwd = "0123456789abcdefABCDEF+/";
export const fingerprint = `sha-256 ${Array.from({ length: 32 }, (_, index) => (index + 16).toString(16).toUpperCase()).join(":")}`;

const h264 = (payloadType: number, parameters: string) => [
  `a=rtpmap:${payloadType} H264/90000`,
  `a=rtcp-fb:${payloadType} goog-remb`,
  `a=rtcp-fb:${payloadType} transport-cc`,
  `a=rtcp-fb:${payloadType} nack`,
  `a=rtcp-fb:${payloadType} nack pli`,
  `a=fmtp:${payloadType} level-asymmetry-allowed=1;${parameters}`,
];

export const videoLines = [
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 102 104",
  "c=IN IP4 0.0.0.0",
  "a=rtcp:9 IN IP4 0.0.0.0",
  "a=mid:0",
  "a=extmap:1 urn:ietf:params:rtp-hdrext:toffset",
  "a=rtpmap:96 VP8/90000",
  "a=rtpmap:97 rtx/90000",
  "a=fmtp:97 apt=96",
  "a=rtpmap:98 VP9/90000",
  "a=rtcp-fb:98 nack pli",
  "a=fmtp:98 profile-id=0",
  ...h264(104, "packetization-mode=0;profile-level-id=42001f"),
  ...h264(102, "packetization-mode=1;profile-level-id=42e01f"),
  "a=ssrc-group:FID 11 12",
  "a=ssrc:11 cname:one",
];

export const audioLines = [
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
  "c=IN IP4 0.0.0.0",
  "a=mid:1",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1",
  "a=rtpmap:0 PCMU/8000",
];

export function browserOffer(parts: OfferParts = {}): string {
  const { direction = "sendonly", candidates = [], video = videoLines, session, transport } = parts;
  const audio = "audio" in parts ? parts.audio : audioLines;
  const around = [
    ...(transport ?? [`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, `a=fingerprint:${fingerprint}`, "a=setup:actpass"]),
    "a=ice-options:trickle",
    `a=${direction}`,
    "a=rtcp-mux",
  ];
  const lines = [
    ...(session ?? [
      "v=0",
      "o=- 46117 2 IN IP4 127.0.0.1",
      "s=-",
      "t=0 0",
      "a=group:BUNDLE 0 1",
      "a=msid-semantic: WMS",
    ]),
    ...video,
    ...around,
    ...candidates.map((candidate) => `a=${candidate}`),
    ...(audio === undefined ? [] : [...audio, ...around]),
  ];
  return `${lines.join("\r\n")}\r\n`;
}
