import assert from "node:assert/strict";
import {
  type AnsweredMedia,
  candidatesAt,
  readTransport,
  writeAnswer,
  writeTransportOffer,
} from "@leat/node/media-io/webrtc/sdp-answer.ts";
import { PLAYOUT_DELAY_URI, parseOffer } from "@leat/node/media-io/webrtc/sdp-offer.ts";
import { parseFragment } from "@leat/node/media-io/webrtc/trickle.ts";
import { chooseCodecs } from "@leat/node/media-io/whip/choose-codecs.ts";
import type { CodedError } from "@leat/sdk/base/errors.ts";
import {
  audioLines,
  browserOffer,
  fingerprint,
  type OfferParts,
  pwd,
  ufrag,
  videoLines,
} from "../../../support/browser-offer.ts";

const host = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0 network-id 1";

describe("offers", () => {
  it("reads what a browser offers", () => {
    const offer = parseOffer(browserOffer({ candidates: [host] }));
    assert.deepEqual([offer.ice, offer.fingerprint, offer.setup], [{ ufrag, pwd }, fingerprint, "actpass"]);
    assert.deepEqual(
      offer.media.map(({ kind, mid, sends, receives }) => [kind, mid, sends, receives]),
      [
        ["video", "0", true, false],
        ["audio", "1", true, false],
      ],
    );
    const names = offer.media[0]!.codecs.map(({ name, payloadType }) => `${payloadType} ${name}`);
    assert.deepEqual(names, ["96 VP8", "97 RTX", "98 VP9", "102 H264", "104 H264"]);
    assert.deepEqual(offer.candidates, ["candidate:1 1 UDP 2122260223 192.0.2.7 50000 typ host"]);
  });

  it("reads it with other ends of lines, and with the transport said once for all", () => {
    const transport = [`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, `a=fingerprint:${fingerprint}`, "a=setup:active"];
    const session = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", ...transport];
    const offer = parseOffer(browserOffer({ session, transport: [] }).replaceAll("\r\n", "\n"));
    assert.deepEqual([offer.ice.ufrag, offer.setup], [ufrag, "active"]);
  });

  it("leaves out candidates that cannot be tried, and names that would have to be looked up", () => {
    const candidates = [
      host,
      host.replace("192.0.2.7", "3f2a.local"),
      host.replace("udp", "tcp"),
      host.replace("50000", "0"),
      host.replace("50000", "70000"),
      host.replace(" 1 udp", " 2 udp"),
      host.replace("host", "guest"),
      "candidate:",
      host.replace("192.0.2.7", "2001:db8::7"),
    ];
    assert.equal(parseOffer(browserOffer({ candidates })).candidates.length, 2);
  });

  const broken: readonly (readonly [string, OfferParts | string, string])[] = [
    ["nothing", "", "WEBRTC_SDP_INVALID"],
    ["another text", "hello", "WEBRTC_SDP_INVALID"],
    ["no media", "v=0\r\ns=-\r\n", "WEBRTC_SDP_INVALID"],
    ["too much", `v=0\r\n${"a=x\r\n".repeat(20_000)}`, "WEBRTC_SDP_TOO_LARGE"],
    ["too many lines", `v=0\n${"a=\n".repeat(3_000)}`, "WEBRTC_SDP_INVALID"],
    [
      "a data channel",
      { video: ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:0"] },
      "WEBRTC_MEDIA_UNSUPPORTED",
    ],
    ["media without encryption", { video: videoLines.with(0, "m=video 9 RTP/AVP 96") }, "WEBRTC_MEDIA_UNSUPPORTED"],
    ["two videos", { audio: videoLines.map((line) => line.replace("mid:0", "mid:1")) }, "WEBRTC_MEDIA_UNSUPPORTED"],
    ["one mid twice", { audio: audioLines.map((line) => line.replace("mid:1", "mid:0")) }, "WEBRTC_SDP_INVALID"],
    ["no bundle", { session: ["v=0", "s=-", "t=0 0"] }, "WEBRTC_MEDIA_UNSUPPORTED"],
    ["a mid with a space", { video: videoLines.map((line) => line.replace("mid:0", "mid:0 1")) }, "WEBRTC_SDP_INVALID"],
    ["payload type 128", { video: videoLines.with(0, "m=video 9 UDP/TLS/RTP/SAVPF 128") }, "WEBRTC_SDP_INVALID"],
    [
      "200 payload types",
      { video: videoLines.with(0, `m=video 9 UDP/TLS/RTP/SAVPF${" 96".repeat(200)}`) },
      "WEBRTC_SDP_INVALID",
    ],
    [
      "no fingerprint",
      { transport: [`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, "a=setup:active"] },
      "WEBRTC_SDP_INVALID",
    ],
    ["sha-1", transportWith("fingerprint", "sha-1 00:11"), "WEBRTC_SDP_INVALID"],
    ["half a fingerprint", transportWith("fingerprint", fingerprint.slice(0, 60)), "WEBRTC_SDP_INVALID"],
    ["a short password", transportWith("ice-pwd", "short"), "WEBRTC_SDP_INVALID"],
    ["a user with a line's end in it", transportWith("ice-ufrag", "abcd\u0000"), "WEBRTC_SDP_INVALID"],
    ["no role", transportWith("setup", "holdconn"), "WEBRTC_SDP_INVALID"],
    ["60 candidates", { candidates: Array<string>(60).fill(host) }, "WEBRTC_CANDIDATES_EXCEEDED"],
  ];
  for (const [what, parts, code] of broken) {
    it(`refuses ${what}`, () => {
      const sdp = typeof parts === "string" ? parts : browserOffer(parts);
      assert.throws(
        () => parseOffer(sdp),
        (error: CodedError<{ code: string }>) => error.code === code,
      );
    });
  }

  it("shows the native library nothing but what was read", () => {
    const lines = writeTransportOffer(parseOffer(browserOffer({ candidates: [host] }))).split("\r\n");
    assert.equal(lines.filter((line) => line.startsWith("m=")).length, 1);
    assert.ok(lines.includes("a=candidate:1 1 UDP 2122260223 192.0.2.7 50000 typ host"));
    assert.deepEqual(
      lines.filter((line) => /toffset|ssrc|msid:|VP8/.test(line)),
      [],
    );
  });
});

describe("choice of a publisher's codecs", () => {
  const choose = (parts: OfferParts) => chooseCodecs(parseOffer(browserOffer(parts)));

  it("takes H.264 in mode 1 before mode 0 before VP9 before VP8, and Opus", () => {
    const all = choose({});
    assert.deepEqual([all.video?.payloadType, all.audio?.payloadType], [102, 111]);
    const without = (...names: string[]) => choose({ video: withoutTypes(...names) }).video?.payloadType;
    assert.deepEqual([without("102"), without("102", "104"), without("102", "104", "98")], [104, 98, 96]);
  });

  it("refuses an offer of pictures and of sound that it does not know, and of nothing", () => {
    const codeOf = (parts: OfferParts) => {
      try {
        choose(parts);
      } catch (error) {
        return (error as CodedError<{ code: string }>).code;
      }
      return undefined;
    };
    assert.equal(codeOf({ video: withoutTypes("102", "104", "98", "96") }), "WEBRTC_CODEC_UNSUPPORTED");
    assert.equal(
      codeOf({ audio: audioLines.filter((line) => !line.includes("111 ")).with(0, "m=audio 9 UDP/TLS/RTP/SAVPF 0") }),
      "WEBRTC_CODEC_UNSUPPORTED",
    );
    assert.equal(codeOf({ direction: "recvonly" }), "WHIP_NOTHING_SENT");
  });

  it("asks for two channels of sound, whatever the publisher would rather hear itself", () => {
    const answerTo = (parameters: string) => {
      const audio = audioLines.map((line) => line.replace(/^a=fmtp:111 .*/, `a=fmtp:111 ${parameters}`));
      return choose({ audio }).answered.find(({ kind }) => kind === "audio")?.codec?.parameters;
    };
    const plain = "minptime=10;useinbandfec=1;stereo=1";
    assert.equal(answerTo("minptime=10;useinbandfec=1"), plain);
    assert.equal(answerTo("minptime=10; stereo=0;sprop-stereo=1;useinbandfec=1"), plain);
    const silent = choose({ audio: audioLines.filter((line) => !line.startsWith("a=fmtp")) });
    assert.equal(silent.answered[1]?.codec?.parameters, "stereo=1");
  });

  it("takes sound alone and pictures alone", () => {
    const session = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"];
    const pictures = choose({ audio: undefined, session });
    assert.deepEqual([pictures.video?.name, pictures.audio], ["H264", undefined]);
  });
});

describe("answers", () => {
  const native = [
    "v=0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    `a=fingerprint:${fingerprint}`,
    "a=setup:active",
    "a=candidate:1 1 UDP 2114977791 10.0.0.5 8189 typ host",
  ].join("\r\n");

  it("names one codec a media, our transport, and the direction", () => {
    const { answered } = chooseCodecs(parseOffer(browserOffer()));
    const lines = writeAnswer(readTransport(native), answered).split("\r\n");
    assert.ok(lines.includes("a=group:BUNDLE 0 1"));
    assert.deepEqual(
      lines.filter((line) => line.startsWith("m=")),
      ["m=video 9 UDP/TLS/RTP/SAVPF 102", "m=audio 9 UDP/TLS/RTP/SAVPF 111"],
    );
    assert.equal(lines.filter((line) => line === "a=recvonly").length, 2);
    assert.equal(lines.filter((line) => line === "a=ice-ufrag:abcd").length, 2);
    assert.deepEqual(
      lines.filter((line) => line.startsWith("a=candidate")),
      ["a=candidate:1 1 UDP 2114977791 10.0.0.5 8189 typ host"],
    );
    assert.ok(lines.includes("a=rtcp-fb:102 nack pli") && !lines.includes("a=rtcp-fb:102 transport-cc"));
  });

  it("agrees to tell how late to show what comes, under the client's number for it", () => {
    const offerOf = (...lines: string[]) => parseOffer(browserOffer({ video: [...videoLines, ...lines] }));
    const named = (number: string) => `a=extmap:${number} ${PLAYOUT_DELAY_URI}`;
    assert.deepEqual(
      [offerOf(), offerOf(named("6")), offerOf(named("14/recvonly")), offerOf(named("15"))].map(
        ({ media }) => media[0]!.playoutDelayId,
      ),
      [undefined, 6, 14, undefined],
    );
    const { answered } = chooseCodecs(offerOf(named("6")));
    const linesOf = (media: readonly AnsweredMedia[]) => writeAnswer(readTransport(native), media).split("\r\n");
    // Of what it sends, the client may say what it likes.
    assert.ok(!linesOf(answered).some((line) => line.startsWith("a=extmap")));
    const sending = answered.map((media): AnsweredMedia => ({ ...media, direction: "sendonly", playoutDelayId: 6 }));
    assert.ok(linesOf(sending).includes(named("6")));
  });

  it("says the addresses at which the node is reached, where they are not its own", () => {
    const { candidates } = candidatesAt(readTransport(native), ["203.0.113.9", "2001:db8::9"]);
    assert.deepEqual(
      candidates.map((one) => one.split(" ").slice(4, 6)),
      [
        ["203.0.113.9", "8189"],
        ["2001:db8::9", "8189"],
      ],
    );
  });
});

describe("fragments of candidates", () => {
  it("reads what a browser sends after its offer", () => {
    const text = [
      `a=ice-ufrag:${ufrag}`,
      `a=ice-pwd:${pwd}`,
      "m=audio 9 UDP/TLS/RTP/SAVPF 0",
      "a=mid:0",
      `a=${host}`,
      "a=end-of-candidates",
      "",
    ];
    const { ice, candidates } = parseFragment(text.join("\r\n"));
    assert.deepEqual([ice, candidates.length], [{ ufrag, pwd }, 1]);
  });

  it("refuses half of its credentials, and what is no description", () => {
    for (const text of [`a=ice-ufrag:${ufrag}\r\n`, "candidate"]) {
      assert.throws(
        () => parseFragment(text),
        (error: CodedError<{ code: string }>) => error.code === "WEBRTC_SDP_INVALID",
      );
    }
  });
});

function transportWith(name: string, value: string): OfferParts {
  const all = { "ice-ufrag": ufrag, "ice-pwd": pwd, fingerprint, setup: "actpass", [name]: value };
  return { transport: Object.entries(all).map(([key, one]) => `a=${key}:${one}`) };
}

function withoutTypes(...types: string[]): string[] {
  return videoLines.filter((line) => !types.some((type) => new RegExp(`^a=[a-z-]+:${type} `).test(line)));
}
