import assert from "node:assert/strict";
import { FrameQueue, type QueuedFrame } from "@leat/node/services/restreaming/frame-queue.ts";
import { type CodedTrack, codedTrack } from "../../../support/coded-track.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";

const SECOND = 90_000;

describe("restreamed frames", () => {
  let track: CodedTrack;
  let stream: RelayedStream;
  let nowMs: number;
  const signal = new AbortController().signal;
  before(async function () {
    this.timeout(20_000);
    track = await codedTrack("h264");
  });
  beforeEach(() => {
    nowMs = 0;
    stream = new RelayedStream();
    stream.add(1, "180p", track);
  });

  const open = () => new FrameQueue(stream, { video: 1, audio: undefined }, () => nowMs);
  async function takeAll(queue: FrameQueue): Promise<QueuedFrame[]> {
    stream.relay.end();
    const taken: QueuedFrame[] = [];
    for (;;) {
      const next = await queue.take(signal);
      if (next === undefined) return taken;
      taken.push(next);
    }
  }

  it("begin with the next key frame, at zero", async () => {
    stream.pass(1, 0, track.frames.slice(0, 5), SECOND);
    const queue = open();
    stream.pass(1, 0, track.frames.slice(5, 20), SECOND);
    const taken = await takeAll(queue);
    assert.deepEqual([taken.length, taken[0]!.frame.key, taken[0]!.placed.dts], [5, true, 0]);
  });

  it("give way to the next key frame where they are two seconds late", async () => {
    const queue = open();
    stream.pass(1, 0, track.frames.slice(0, 10), SECOND);
    nowMs = 2_001;
    stream.pass(1, 0, track.frames.slice(10, 20), SECOND);
    const taken = await takeAll(queue);
    assert.deepEqual(
      taken.map(({ frame }) => frame.dts - SECOND),
      track.frames.slice(15, 20).map(({ dts }) => dts),
    );
  });

  it("give way where they are more than eight megabytes", async () => {
    const queue = open();
    const large = track.frames.map((frame) => ({ ...frame, data: new Uint8Array(1_000_000) }));
    stream.pass(1, 0, large.slice(0, 12), SECOND);
    const taken = await takeAll(queue);
    assert.equal(taken.length, 0);
  });

  it("end for whoever waits when nobody wants them any more", async () => {
    const queue = open();
    const leaving = new AbortController();
    const waiting = queue.take(leaving.signal);
    leaving.abort();
    assert.equal(await waiting, undefined);
    queue.close();
    assert.equal(stream.followed, 0);
  });
});
