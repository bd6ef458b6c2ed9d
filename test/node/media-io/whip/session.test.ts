import assert from "node:assert/strict";
import { writeSenderReport } from "@leat/node/media-io/webrtc/rtcp.ts";
import { WhipSession } from "@leat/node/media-io/whip/whip-session.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { codedTrack } from "../../../support/coded-track.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { packetsOf } from "../../../support/rtp-packets.ts";

describe("whip session", () => {
  let nowMs: number;
  let sink: RecorderSink;
  let session: WhipSession;

  beforeEach(() => {
    nowMs = 0;
    sink = new RecorderSink();
    const video = { name: "H264", payloadType: 96, clockRate: 90_000, channels: 1, parameters: "", feedback: [] };
    session = new WhipSession(
      {
        sink,
        codecs: { video, audio: undefined },
        clientUfrag: "ufrag",
        nowMs: () => nowMs,
        logger: silentLogger,
        onEnd: () => {},
      },
      { connectTimeoutMs: 15_000, idleMs: 10_000, keyFrameMs: 2_000, maxBitrate: 1_000_000 },
    );
    session.open();
  });

  it("ends where no media comes, whatever else does", async () => {
    const packets = packetsOf(await codedTrack("h264")).flat();
    const report = writeSenderReport({ ssrc: 7, wallMs: 1, timestamp: 1, packets: 1, bytes: 1 });
    const unknown = Uint8Array.from(packets[0]!);
    unknown[1] = 100;
    const step = (packet: Uint8Array) => {
      nowMs += 1_000;
      session.packet(packet);
      session.tick(nowMs);
    };
    for (const packet of packets.slice(0, 12)) step(packet);
    assert.equal(session.isOver, false);
    for (let second = 0; second < 9; second += 1) step(second % 2 === 0 ? report : unknown);
    assert.equal(session.isOver, false);
    step(report);
    assert.equal(session.isOver, true);
  });

  for (const [waitedMs, clean] of [
    [29_999, false],
    [30_000, true],
  ] as const) {
    it(`is told goodbye ${waitedMs} ms after a refused restart, which ${clean ? "ends" : "does not end"} the publish`, async () => {
      session.refuseRestart();
      nowMs += waitedMs;
      session.end();
      assert.deepEqual(await sink.ended.promise, { clean });
    });
  }
});
