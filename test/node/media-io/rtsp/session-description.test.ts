import assert from "node:assert/strict";
import { readDescription } from "@leat/node/media-io/rtsp/session-description.ts";

const base = "rtsp://camera.test/live/";
const sdp = (...lines: string[]) => ["v=0", "o=- 0 0 IN IP4 10.0.0.1", "s=x", ...lines].join("\r\n");

describe("rtsp descriptions", () => {
  it("tell the tracks, what they need, and where they are asked for", () => {
    const camera = sdp(
      "a=control:rtsp://camera.test/live/all",
      "a=range:npt=now-",
      "m=video 0 RTP/AVP 96",
      "a=rtpmap:96 H264/90000",
      "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0I=,aM4=",
      "a=control:trackID=1",
      "m=audio 0 RTP/AVP 0",
      "a=control:rtsp://10.0.0.1/live/sound",
      "m=application 0 RTP/AVP 107",
      "a=rtpmap:107 vnd.onvif.metadata/90000",
    );
    assert.deepEqual(readDescription(camera, base), {
      uri: "rtsp://camera.test/live/all",
      isWhole: false,
      tracks: [
        {
          kind: "video",
          payloadType: 96,
          encoding: "H264",
          clockRate: 90_000,
          channels: 1,
          parameters: "packetization-mode=1;sprop-parameter-sets=Z0I=,aM4=",
          uri: "rtsp://camera.test/live/trackID=1",
        },
        {
          kind: "audio",
          payloadType: 0,
          encoding: "PCMU",
          clockRate: 8_000,
          channels: 1,
          parameters: "",
          uri: "rtsp://10.0.0.1/live/sound",
        },
      ],
    });
  });

  it("tell what is recorded by its end", () => {
    for (const [range, isWhole] of [
      ["npt=0-30.5", true],
      ["npt=0.0-0:01:30", true],
      ["npt=0-", false],
      ["npt=now-", false],
      ["clock=19961108T142300Z-", false],
    ] as const) {
      assert.equal(readDescription(sdp(`a=range:${range}`), base).isWhole, isWhole, range);
    }
  });

  it("leave out what no track can be, and are refused where a line of ours would be theirs", () => {
    const tracks = ["m=video 0 RTP/AVP 200", "m=video 0 RTP/AVP 99", "m=video 0 RTP/AVP x", "m=video 0 RTP/AVP 97"];
    assert.deepEqual(readDescription(sdp(...tracks, "a=rtpmap:97 H264/0"), base).tracks, []);
    for (const text of ["", "<html>", sdp("m=video 0 RTP/AVP 26", "a=control:a b"), sdp(...Array(2_000).fill("a=x"))]) {
      assert.throws(() => readDescription(text, base), { code: "PULL_RTSP_INVALID" });
    }
  });
});
