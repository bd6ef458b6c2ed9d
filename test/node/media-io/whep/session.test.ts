import assert from "node:assert/strict";
import { parseRtcp, writePli } from "@leat/node/media-io/webrtc/rtcp.ts";
import { isRtcp } from "@leat/node/media-io/webrtc/rtp.ts";
import { FrameCutter } from "@leat/node/media-io/whep/frame-cutter.ts";
import { WhepSession } from "@leat/node/media-io/whep/whep-session.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { type CodedTrack, codedTrack } from "../../../support/coded-track.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";

const ssrc = 77;

describe("whep session", () => {
  let track: CodedTrack;
  let stream: RelayedStream;
  let session: WhepSession;
  let nowMs: number;
  let ends: number;
  let asked: number;
  let other: number | undefined;
  /** What goes out; false loses it here. */
  let takes: () => boolean;
  let media: Uint8Array[];

  before(async () => {
    track = await codedTrack("h264");
  });

  beforeEach(() => {
    stream = new RelayedStream();
    stream.add(1, "180p", track);
    [nowMs, ends, asked, media, takes, other] = [1_000, 0, 0, [], () => true, undefined];
    session = new WhepSession({
      stream,
      choice: { video: { rung: 1, ssrc, codec: codecOf("H264", 102, 90_000) }, audio: undefined },
      viewer: { ip: "192.0.2.1", headers: {} },
      audience: undefined,
      cutter: new FrameCutter(),
      clientUfrag: "ufrag",
      nowMs: () => nowMs,
      random: () => 0,
      connectTimeoutMs: 15_000,
      mayWatch: async () => {
        asked += 1;
      },
      recheckMs: 10_000,
      findOther: () => other,
      logger: silentLogger,
      onOpen: () => {},
      onSent: () => {},
      onEnd: () => {
        ends += 1;
      },
    });
    session.attach({
      transport: { ice: { ufrag: "", pwd: "" }, fingerprint: "", setup: "", candidates: [] },
      addCandidate: () => {},
      send: (packet) => {
        if (isRtcp(packet)) assert.ok(parseRtcp(packet).length > 0);
        else media.push(Uint8Array.from(packet));
        return takes();
      },
      close: () => {},
    });
  });

  /** Lets out what waits for its turn. */
  function drain(): void {
    for (let step = 0; step < 100; step += 1) {
      nowMs += 5;
      session.tick(nowMs);
    }
  }

  function pass(frames: readonly Frame[], sequence = 0): void {
    for (const frame of frames) {
      stream.pass(1, sequence, [frame]);
      drain();
    }
  }

  it("counts no frame a second time that it sends again for a wish for a key frame", () => {
    session.open();
    pass(track.frames.slice(0, 5));
    assert.equal(stream.counted.length, 5);
    for (let wish = 0; wish < 2; wish += 1) {
      const sent = media.length;
      session.packet(writePli(9, ssrc));
      drain();
      assert.ok(media.length >= sent + 5, "the five pictures go out again");
    }
    assert.equal(stream.counted.length, 5);
    pass(track.frames.slice(5, 7));
    assert.equal(stream.counted.length, 7);
  });

  it("counts no frame a second time that is made anew after it was taken back", () => {
    session.open();
    pass(track.frames.slice(0, 20));
    stream.relay.takeBack(1, 5);
    pass(track.frames.slice(15, 25));
    assert.equal(stream.counted.length, 25);
  });

  it("goes on with the next key frame behind a picture that cannot be read", () => {
    session.open();
    pass(track.frames.slice(0, 3));
    stream.pass(1, 0, [broken(track.frames[3]!)]);
    pass(track.frames.slice(4, 8));
    assert.deepEqual([session.isOver, stream.counted.length], [false, 3]);
    pass(track.frames.slice(15, 17), 1);
    assert.deepEqual([session.isOver, stream.counted.length], [false, 5]);
  });

  it("begins all the same where one of the newest pictures cannot be read, and goes on with the next key frame", () => {
    stream.pass(1, 0, [...track.frames.slice(0, 3), broken(track.frames[3]!)]);
    session.open();
    drain();
    assert.deepEqual([session.isOver, stream.counted.length], [false, 3]);
    pass(track.frames.slice(4, 6));
    assert.equal(stream.counted.length, 3);
    pass(track.frames.slice(15, 17), 1);
    assert.equal(stream.counted.length, 5);
  });

  it("counts only frames of which every packet went out", () => {
    session.open();
    pass(track.frames.slice(0, 1));
    assert.equal(stream.counted.length, 1);
    let packets = 0;
    // The first packet of the next picture alone.
    takes = () => {
      packets += 1;
      return packets > 1;
    };
    pass(track.frames.slice(15, 16), 1);
    assert.ok(packets > 1);
    assert.equal(stream.counted.length, 1);
    pass(track.frames.slice(16, 17), 1);
    assert.equal(stream.counted.length, 2);
  });

  it("goes on with another rung where pictures begin to refer to later ones", () => {
    stream.add(2, "90p", track);
    stream.pass(2, 0, track.frames.slice(0, 2));
    other = 2;
    session.open();
    pass(track.frames.slice(0, 2));
    const [, , third, fourth] = track.frames;
    pass([
      { ...fourth!, dts: third!.dts },
      { ...third!, dts: fourth!.dts },
    ]);
    stream.pass(2, 0, track.frames.slice(2, 3));
    pass(track.frames.slice(15, 17));
    assert.deepEqual([session.isOver, ends, stream.followed], [false, 0, 1]);
    assert.deepEqual(
      stream.counted.map(({ rung, pts }) => [rung, pts]),
      [...[0, 1, 3].map((at) => [1, track.frames[at]!.pts]), ...[0, 1, 2].map((at) => [2, track.frames[at]!.pts])],
    );
  });

  it("ends where pictures begin to refer to later ones, and of no other rung the pictures do not", () => {
    session.open();
    pass(track.frames.slice(0, 2));
    const [, , third, fourth] = track.frames;
    pass([{ ...fourth!, dts: third!.dts }]);
    assert.equal(session.isOver, false);
    pass([{ ...third!, dts: fourth!.dts }]);
    assert.deepEqual([session.isOver, ends, stream.followed], [true, 1, 0]);
  });

  it("asks at once whether its viewer may watch where the policy became another", () => {
    session.open();
    drain();
    assert.equal(asked, 0);
    stream.guarded = { id: "0x1", slug: "slug", policy: { type: "jwt", keys: [] } };
    drain();
    assert.equal(asked, 1);
  });
});

/** Its first NAL unit claims to be longer than the picture. */
function broken(frame: Frame): Frame {
  const data = Uint8Array.from(frame.data);
  data[0] = 0x7f;
  return { ...frame, data };
}

function codecOf(name: string, payloadType: number, clockRate: number) {
  return { name, payloadType, clockRate, channels: 1, parameters: "", feedback: [] };
}
