import assert from "node:assert/strict";
import { RelayedLog, type RelayFeed } from "@leat/node/services/delivery/relayed-log.ts";
import type {
  FrameMessage,
  MediaMessage,
  PartMarkMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const place = { rung: 1, sequence: 4 };
const facts = { epoch: 0, configVersion: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0 };
const start: SegmentStartMessage = { type: "segmentStart", ...place, ...facts };
const mark = (part: number): PartMarkMessage => ({
  ...{ type: "partMark", ...place, part },
  ...{ runningHash: new Uint8Array(32), signature: new Uint8Array(65) },
});
const frame = (dts: number, byte = dts): FrameMessage => {
  const facts = { kind: "video", epoch: 0, dts, pts: dts, duration: 1, key: false, configVersion: 0 } as const;
  return { type: "frame", ...place, frame: { ...facts, arrivalMs: 0, data: Uint8Array.of(byte) } };
};

describe("relayed log", () => {
  let log: RelayedLog;

  beforeEach(() => {
    log = new RelayedLog({ keptSegments: 5 });
  });

  function begin(): RelayFeed {
    const feed = log.feed();
    feed.start(start, { version: 0, config });
    return feed;
  }

  /** Frames of a part, its mark, and that it was verified: its bytes are the frames'. */
  function part(feed: RelayFeed, index: number, ...frames: FrameMessage[]): void {
    for (const one of frames) feed.take(one);
    feed.mark(mark(index));
    feed.verified(1, Uint8Array.from(frames.map((one) => one.frame.data[0]!)));
  }

  async function read(): Promise<string[]> {
    log.close();
    const read: string[] = [];
    for await (const message of log.readFrom(0, new AbortController().signal)) read.push(write(message));
    return read;
  }

  it("gives each message once, whoever repeats it, in the middle of a part too", async () => {
    const lost = begin();
    part(lost, 0, frame(0), frame(1));
    lost.take(frame(2));
    const next = begin();
    part(next, 0, frame(0), frame(1));
    part(next, 1, frame(2), frame(3));
    next.end({ type: "segmentEnd", ...place, frames: 4, durationTicks: 4 });
    begin().take(frame(0));
    assert.deepEqual(await read(), ["config", "start", "0=0", "1=1", "mark 0", "2=2", "3=3", "mark 1", "end"]);
  });

  it("makes void what nobody but a holder that is gone had, and says what stands in its place", async () => {
    const liar = begin();
    part(liar, 0, frame(0));
    for (const one of [frame(1), frame(2, 99)]) liar.take(one);
    const next = begin();
    part(next, 0, frame(0));
    part(next, 1, frame(1), frame(2));
    const wanted = ["config", "start", "0=0", "mark 0", "1=1", "2=99", "restart", "1=1", "2=2", "mark 1"];
    assert.deepEqual(await read(), wanted);
  });

  it("keeps a mark back until its part is verified, and begins anew what has no whole part yet", async () => {
    const liar = begin();
    liar.take(frame(0, 99));
    liar.mark(mark(0));
    const next = begin();
    part(next, 0, frame(0));
    assert.deepEqual(await read(), ["config", "start", "0=99", "start", "0=0", "mark 0"]);
  });
});

function write(message: MediaMessage): string {
  switch (message.type) {
    case "frame":
      return `${message.frame.dts}=${message.frame.data[0]}`;
    case "partMark":
      return `mark ${message.part}`;
    case "partRestart":
      return "restart";
    default:
      return message.type.replace("segment", "").toLowerCase();
  }
}
