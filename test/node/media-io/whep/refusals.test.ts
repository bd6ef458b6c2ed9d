import assert from "node:assert/strict";
import { browserOffer, videoLines } from "../../../support/browser-offer.ts";
import { type CodedTrack, codedTrack } from "../../../support/coded-track.ts";
import { WhepServer } from "../../../support/whep-server.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";
import { codeOf } from "../../../support/whip-server.ts";

describe("whep, whom it turns away", () => {
  let server: WhepServer | undefined;
  let stream: RelayedStream;

  beforeEach(() => {
    stream = new RelayedStream();
  });
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  it("refuses what it cannot play, each by its code", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    const receive = { direction: "recvonly" } as const;
    server = await WhepServer.start(stream);
    const vp8 = videoLines.filter((line) => !/^a=[a-z-]+:(98|102|104) /.test(line));
    for (const [path, sdp, status, code] of [
      ["/live/other/whep", browserOffer(receive), 404, "WHEP_STREAM_UNKNOWN"],
      ["/live/slug/whep?rung=4k", browserOffer(receive), 404, "WHEP_RUNG_UNKNOWN"],
      ["/live/slug/whep", browserOffer(), 422, "WHEP_NOTHING_WANTED"],
      ["/live/slug/whep", browserOffer({ ...receive, video: vp8 }), 422, "WHEP_CODEC_UNSUPPORTED"],
      ["/live/slug/whep", "v=0", 400, "WEBRTC_SDP_INVALID"],
    ] as const) {
      const response = await server.post(path, sdp);
      assert.deepEqual([response.status, await codeOf(response)], [status, code]);
    }
    const [key, next, later] = track.frames as [
      CodedTrack["frames"][0],
      CodedTrack["frames"][0],
      CodedTrack["frames"][0],
    ];
    stream.pass(1, 0, [key, { ...later, dts: next.dts }, { ...next, dts: later.dts }]);
    assert.equal(await codeOf(await server.post("/live/slug/whep", browserOffer(receive))), "WHEP_PICTURES_REORDERED");
    stream.isUnbudgeted = true;
    const paid = await server.post("/live/slug/whep", browserOffer(receive));
    assert.deepEqual([paid.status, await codeOf(paid)], [402, "WHEP_STREAM_PAID"]);
    stream.guarded = { id: "0x1", slug: "slug", policy: { type: "jwt", keys: [] } };
    const guarded = await server.post("/live/slug/whep", browserOffer(receive));
    assert.deepEqual([guarded.status, await codeOf(guarded)], [401, "PLAYBACK_TOKEN_MISSING"]);
    const carried = await server.post("/live/slug/~a.b.c/whep", browserOffer(receive));
    assert.equal(await codeOf(carried), "PLAYBACK_TOKEN_INVALID");
  });

  it("refuses a stream that is over", async () => {
    stream.add(1, "180p", await codedTrack("h264"));
    stream.window.ended = true;
    server = await WhepServer.start(stream);
    const ended = await server.post("/live/slug/whep", browserOffer({ direction: "recvonly" }));
    assert.deepEqual([ended.status, await codeOf(ended)], [410, "WHEP_STREAM_ENDED"]);
  });

  it("bounds how many one address has that do not connect", async () => {
    stream.add(1, "180p", await codedTrack("h264"));
    server = await WhepServer.start(stream);
    const receive = browserOffer({ direction: "recvonly" });
    for (let count = 0; count < 16; count += 1) {
      assert.equal((await server.post("/live/slug/whep", receive)).status, 201);
    }
    const refused = await server.post("/live/slug/whep", receive);
    assert.deepEqual([refused.status, await codeOf(refused)], [429, "WHEP_CONNECTING_EXCEEDED"]);
  });
});
