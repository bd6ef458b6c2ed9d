import assert from "node:assert/strict";
import { type FrameFollower, FrameRelay } from "@leat/node/media/live-frames.ts";
import { RelayedLog, type RelayFeed } from "@leat/node/services/delivery/relayed-log.ts";
import type {
  FrameMessage,
  MediaMessage,
  PartMarkMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const facts = { epoch: 0, configVersion: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0 };
const start = (sequence: number, changes: object = {}): SegmentStartMessage => ({
  ...{ type: "segmentStart", rung: 1, sequence, ...facts },
  ...changes,
});
const mark = (sequence: number, part: number): PartMarkMessage => ({
  ...{ type: "partMark", rung: 1, sequence, part },
  ...{ runningHash: new Uint8Array(32), signature: new Uint8Array(65) },
});
const frame = (dts: number, byte = dts, sequence = 1): FrameMessage => {
  const facts = { kind: "video", epoch: 0, dts, pts: dts, duration: 1, key: false, configVersion: 0 } as const;
  return { type: "frame", rung: 1, sequence, frame: { ...facts, arrivalMs: 0, data: Uint8Array.of(byte) } };
};

describe("relayed log", () => {
  let log: RelayedLog;
  /** What a viewer by frames is told. */
  let seen: string[];
  /** When its frames came in, as it is told. */
  let arrivals: number[];

  beforeEach(() => {
    const frames = new FrameRelay();
    arrivals = [];
    log = new RelayedLog(frames, { keptSegments: 5 });
    seen = [];
    const follower: FrameFollower = {
      config: (version) => seen.push(`config ${version}`),
      frame: ({ dts, data, arrivalMs }) => {
        seen.push(`${dts}=${data[0]}`);
        arrivals.push(arrivalMs);
      },
      takeBack: (count) => seen.push(`back ${count}`),
      end: () => seen.push("end"),
    };
    frames.follow(1, follower);
    // Nothing is told of a stream of which nothing was verified yet.
    const feed = begin(0);
    send(feed, frame(0, 0, 0));
    assert.deepEqual([seen, log.size], [[], 0]);
    verify(feed, 0, frame(0, 0, 0));
    end(feed, 0, 1);
    assert.deepEqual(seen.splice(0), ["config 0", "0=0"]);
  });

  function begin(sequence = 1, changes: object = {}): RelayFeed {
    const feed = log.feed();
    feed.start(start(sequence, changes), { version: 0, config });
    return feed;
  }

  function send(feed: RelayFeed, ...frames: FrameMessage[]): void {
    for (const one of frames) feed.frame(one);
  }

  /** Frames of a part, its mark, and that it was verified: its bytes are the frames'. */
  function part(feed: RelayFeed, index: number, ...frames: FrameMessage[]): void {
    send(feed, ...frames);
    verify(feed, index, ...frames);
  }

  function verify(feed: RelayFeed, index: number, ...frames: FrameMessage[]): void {
    feed.mark(mark(frames[0]!.sequence, index));
    feed.verified(1, Uint8Array.from(frames.map((one) => one.frame.data[0]!)));
  }

  function end(feed: RelayFeed, sequence: number, frames: number): void {
    feed.end({ type: "segmentEnd", rung: 1, sequence, frames, durationTicks: frames });
  }

  async function read(): Promise<string[]> {
    log.close();
    const read: string[] = [];
    for await (const message of log.readFrom(0, new AbortController().signal)) read.push(write(message));
    assert.deepEqual(read.splice(0, 5), ["config", "start 0", "0=0", "mark 0", "end"]);
    return read;
  }

  it("gives each message once, whoever repeats it, in the middle of a part too", async () => {
    const lost = begin();
    part(lost, 0, frame(0), frame(1));
    send(lost, frame(2));
    const next = begin();
    part(next, 0, frame(0), frame(1));
    part(next, 1, frame(2), frame(3));
    end(next, 1, 4);
    send(begin(), frame(0));
    const whole = ["0=0", "1=1", "mark 0", "2=2", "3=3", "mark 1"];
    assert.deepEqual(await read(), ["start 1", ...whole, "end"]);
    assert.deepEqual(seen, ["0=0", "1=1", "2=2", "3=3"]);
  });

  it("repeats nothing of a segment whose holder was lost before its first mark", async () => {
    send(begin(), frame(0), frame(1));
    const next = begin();
    part(next, 0, frame(0), frame(1), frame(2));
    assert.deepEqual(await read(), ["start 1", "0=0", "1=1", "2=2", "mark 0"]);
    assert.deepEqual(seen, ["0=0", "1=1", "2=2"]);
  });

  it("makes void what nobody but a holder that is gone had, and gives the rest of that part once it is verified", async () => {
    const liar = begin();
    part(liar, 0, frame(0));
    send(liar, frame(1), frame(2, 99));
    const next = begin();
    part(next, 0, frame(0));
    send(next, frame(1), frame(2));
    assert.deepEqual(seen, ["0=0", "1=1", "2=99", "back 2"]);
    send(next, frame(3));
    verify(next, 1, frame(1), frame(2), frame(3));
    send(next, frame(4));
    const after = ["1=1", "2=2", "3=3"];
    assert.deepEqual(seen.slice(4), [...after, "4=4"]);
    const wanted = ["start 1", "0=0", "mark 0", "1=1", "2=99", "restart", ...after, "mark 1", "4=4"];
    assert.deepEqual(await read(), wanted);
  });

  it("makes void what a holder sent of a part beyond its end", async () => {
    send(begin(), frame(0), frame(1), frame(2, 99));
    const next = begin();
    part(next, 0, frame(0), frame(1));
    send(next, frame(2));
    assert.deepEqual(seen, ["0=0", "1=1", "2=99", "back 3", "0=0", "1=1", "2=2"]);
  });

  it("keeps a mark back until its part is verified, and begins anew what has no whole part yet", async () => {
    const liar = begin(1, { wallClockMs: 1 });
    send(liar, frame(0, 99));
    liar.mark(mark(1, 0));
    const next = begin();
    part(next, 0, frame(0));
    assert.deepEqual(await read(), ["start 1", "0=99", "restart", "start 1", "0=0", "mark 0"]);
  });

  it("hands on a segment that does not follow the newest only when a part of it is verified", async () => {
    // Far ahead, and out of an unfinished one.
    send(begin(4_000_000_000), frame(5, 99, 4_000_000_000));
    const next = begin();
    part(next, 0, frame(1));
    send(begin(7), frame(2, 99, 7));
    const jump = begin(4);
    send(jump, frame(3, 3, 4), frame(4, 4, 4));
    assert.deepEqual(seen, ["1=1"]);
    verify(jump, 0, frame(3, 3, 4), frame(4, 4, 4));
    assert.deepEqual(seen.slice(1), ["3=3", "4=4"]);
    assert.deepEqual(await read(), ["start 1", "1=1", "mark 0", "start 4", "3=3", "4=4", "mark 0"]);
  });

  for (const [what, changes, other] of [
    ["on another clock", { epoch: 1 }, config],
    ["in another configuration", { configVersion: 1 }, { ...config, width: 640 }],
  ] as const) {
    it(`hands on a segment ${what} only when a part of it is verified`, () => {
      const feed = log.feed();
      feed.start(start(1, changes), { version: changes.configVersion ?? 0, config: other });
      send(feed, frame(0));
      assert.deepEqual(seen, []);
      verify(feed, 0, frame(0));
      send(feed, frame(1));
      assert.deepEqual(seen.slice(-2), ["0=0", "1=1"]);
    });
  }

  it("hands on a frame that is far behind the newest only when its part is verified, and those before it at once", () => {
    const late = 10 * config.timescale - 1;
    const feed = begin();
    send(feed, frame(1), frame(late, 2), frame(late + 1, 3), frame(2, 4));
    assert.deepEqual(seen, ["1=1", `${late}=2`]);
    verify(feed, 0, frame(1), frame(late, 2), frame(late + 1, 3), frame(2, 4));
    send(feed, frame(2 * late + 2, 5), frame(2 * late + 3, 6));
    assert.deepEqual(seen.slice(2), [`${late + 1}=3`, "2=4"]);
    feed.restart(1);
    send(feed, frame(3, 7));
    verify(feed, 1, frame(3, 7));
    assert.deepEqual(seen.slice(4), ["3=7"]);
  });

  it("hands on pictures out of their order at once where a verified part had some, and nowhere else", () => {
    const shownAt = (dts: number, pts: number): FrameMessage => {
      const { frame: facts, ...message } = frame(dts);
      return { ...message, frame: { ...facts, pts } };
    };
    const feed = begin();
    const first = [shownAt(1, 1), shownAt(2, 4), shownAt(3, 2), shownAt(4, 3)];
    send(feed, ...first);
    assert.deepEqual(seen, ["1=1", "2=2"]);
    verify(feed, 0, ...first);
    send(feed, shownAt(5, 7), shownAt(6, 5));
    assert.deepEqual(seen.slice(2), ["3=3", "4=4", "5=5", "6=6"]);
  });

  it("makes void what nobody marked before a segment ends", async () => {
    const lost = begin();
    part(lost, 0, frame(0));
    send(lost, frame(1));
    const next = begin();
    part(next, 0, frame(0));
    end(next, 1, 1);
    assert.deepEqual(await read(), ["start 1", "0=0", "mark 0", "1=1", "restart", "end"]);
    assert.deepEqual(seen, ["0=0", "1=1", "back 1"]);
  });

  it("hands on a frame that lasts far beyond the newest only when its part is verified", () => {
    const endless = frame(1);
    const feed = begin();
    send(feed, { ...endless, frame: { ...endless.frame, duration: 2 ** 31 - 1 } });
    assert.deepEqual(seen, []);
  });

  it("goes back to a segment that is not whole from one that nobody verified", async () => {
    send(begin(), frame(1));
    // The other rung of its pull is further back.
    const next = begin(0);
    part(next, 0, frame(0, 0, 0));
    end(next, 0, 1);
    next.start(start(1), { version: 0, config });
    part(next, 0, frame(1));
    assert.deepEqual(await read(), ["start 1", "1=1", "mark 0"]);
    assert.deepEqual(seen, ["1=1"]);
  });

  it("holds no more for all that a holder takes back", () => {
    const liar = begin();
    part(liar, 0, frame(0));
    for (let round = 0; round < 20; round += 1) {
      send(liar, frame(1, 90 + round));
      liar.restart(1);
      liar.start(start(2 + (round % 2)), { version: 0, config });
      send(liar, frame(2, 99, 2 + (round % 2)));
      liar.start(start(1), { version: 0, config });
      part(liar, 0, frame(0));
    }
    assert.deepEqual(seen, ["0=0", "1=90", "back 1"]);
    assert.ok(log.size < 12, `${log.size}`);
  });

  it("holds no more for starts that nothing follows", () => {
    const before = log.size;
    const liar = begin();
    for (let round = 0; round < 20; round += 1) {
      liar.start(start(1, { wallClockMs: round }), { version: 0, config });
    }
    assert.equal(log.size, before + 1);
  });

  it("tells when a frame came in by what was verified, whatever a holder says of it", async () => {
    const claimed = (dts: number, byte: number, sequence: number): FrameMessage => {
      const { frame: facts, ...message } = frame(dts, byte, sequence);
      return { ...message, frame: { ...facts, arrivalMs: 999_999_999 } };
    };
    arrivals = [];
    // Goes on ahead of its mark, also where its head is false.
    const liar = begin(1, { wallClockMs: 888_888_888 });
    send(liar, claimed(9_000, 1, 1), claimed(18_000, 2, 1));
    assert.deepEqual(arrivals.splice(0), [100, 200]);
    const next = begin(1, { wallClockMs: 150 });
    part(next, 0, claimed(9_000, 1, 1), claimed(18_000, 2, 1));
    send(next, claimed(27_000, 3, 1));
    assert.deepEqual(arrivals.splice(0), [150, 250, 350]);
    verify(next, 1, claimed(27_000, 3, 1));
    end(next, 1, 3);
    // Another clock begins where its origin says.
    next.start(start(2, { epoch: 1, wallClockMs: 60_000 }), { version: 0, config });
    part(next, 0, claimed(900_000, 4, 2));
    send(next, claimed(909_000, 5, 2));
    assert.deepEqual(arrivals, [60_000, 60_100]);
    log.close();
    const handedOn: number[] = [];
    for await (const message of log.readFrom(2, new AbortController().signal)) {
      if (message.type === "frame") handedOn.push(message.frame.arrivalMs);
    }
    assert.deepEqual(handedOn, arrivals);
  });

  const says = (text: string): FrameMessage => {
    const { frame: plain, ...place } = frame(0);
    return { ...place, frame: { ...plain, tags: [{ pts: 0, tag: Buffer.from(text) }] } };
  };
  for (const [what, first, second, told] of [
    ["repeats no frame that says the same of its time", says("one"), says("one"), ["0=0"]],
    ["takes one back that said something else", says("one"), says("two"), ["0=0", "restart", "0=0"]],
    ["takes one back that said something", says("one"), frame(0), ["0=0", "restart", "0=0"]],
    ["takes one back that said nothing", frame(0), says("one"), ["0=0", "restart", "0=0"]],
  ] as const) {
    it(what, async () => {
      send(begin(), first);
      part(begin(), 0, second);
      assert.deepEqual(await read(), ["start 1", ...told, "mark 0"]);
    });
  }

  it("gives viewers by frames others in the place of those of an origin that is gone", () => {
    const lost = begin();
    part(lost, 0, frame(0));
    send(lost, frame(1), frame(2));
    log.abandon();
    assert.deepEqual(seen.at(-1), "back 2");
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
    case "segmentStart":
      return `start ${message.sequence}`;
    default:
      return message.type.replace("segment", "").toLowerCase();
  }
}
