import assert from "node:assert/strict";
import { parseRtcp, writeSenderReport } from "@leat/node/media-io/webrtc/rtcp.ts";
import { WhipSession } from "@leat/node/media-io/whip/whip-session.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { codedTrack } from "../../../support/coded-track.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { packetsOf, paddingAlone } from "../../../support/rtp-packets.ts";

describe("whip session", () => {
  let nowMs: number;
  let sink: RecorderSink;
  let session: WhipSession;
  /** What the publisher is told. */
  let told: Uint8Array[];

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
    told = [];
    session.attach({
      transport: { ice: { ufrag: "", pwd: "" }, fingerprint: "", setup: "", candidates: [] },
      addCandidate: () => {},
      send: (packet) => {
        told.push(packet);
        return true;
      },
      close: () => {},
    });
    session.open();
  });

  const asksFor = (type: "nack" | "keyFrame") => told.flatMap(parseRtcp).filter((item) => item.type === type).length;

  it("misses nothing where packets of padding alone stand between those of pictures", async () => {
    const track = await codedTrack("h264");
    const pictures = track.frames.length;
    let sequence = 0;
    for (const frame of track.frames) {
      nowMs += 33;
      const packets = packetsOf({ ...track, frames: [frame] }, { sequence }).flat();
      sequence += packets.length;
      for (const packet of packets) session.packet(packet);
      for (let padding = 0; padding < 3; padding += 1) {
        session.packet(paddingAlone(sequence, frame.pts));
        sequence += 1;
      }
      session.tick(nowMs);
    }
    await session.done;
    assert.equal(asksFor("nack"), 0);
    assert.deepEqual([sink.videos.length, sink.videos.filter(({ key }) => key).length], [pictures, 4]);
  });

  it("goes on in time where another source takes the place of the one before, wherever its clock stands", async () => {
    const track = await codedTrack("h264");
    for (const start of [{ ssrc: 7 }, { ssrc: 8, sequence: 30_000, timestamp: 3_000_000_000 }]) {
      for (const packets of packetsOf(track, start)) {
        nowMs += 33;
        for (const packet of packets) session.packet(packet);
        session.tick(nowMs);
      }
    }
    await session.done;
    const times = sink.videos.map(({ dtsMs }) => dtsMs);
    assert.ok(times.length > 1.5 * track.frames.length, `${times.length} pictures`);
    assert.ok(
      times.every((time, at) => time > (times[at - 1] ?? -1)),
      times.join(),
    );
    assert.ok(Math.abs(times.at(-1)! - nowMs) < 100, `${times.at(-1)} ms at ${nowMs}`);
  });

  it("asks for a key frame as soon as the newest is two seconds old, and again until one comes", async () => {
    const track = await codedTrack("h264");
    let sequence = 0;
    const asked: number[] = [];
    // Pictures come ten times a second, each a little later, and only the first and the one at 3 s are key frames.
    for (nowMs = 0; nowMs <= 6_000; nowMs += 100) {
      const isKey = nowMs === 0 || nowMs === 3_000;
      const frame = track.frames[isKey ? 0 : 1]!;
      const packets = packetsOf({ ...track, frames: [{ ...frame, pts: nowMs * 90 }] }, { sequence }).flat();
      sequence += packets.length;
      for (const packet of packets) session.packet(packet);
      told = [];
      session.tick(nowMs);
      if (asksFor("keyFrame") > 0) asked.push(nowMs);
    }
    await session.done;
    assert.equal(sink.videos.length, 61);
    assert.deepEqual(asked, [2_000, 2_400, 2_800, 5_000, 5_400, 5_800]);
  });

  it("ends where nothing but padding comes", async () => {
    const packets = packetsOf(await codedTrack("h264")).flat();
    session.packet(packets[0]!);
    for (let second = 1; second <= 10; second += 1) {
      nowMs += 1_000;
      session.packet(paddingAlone(second, 0));
      session.tick(nowMs);
    }
    assert.equal(session.isOver, true);
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
