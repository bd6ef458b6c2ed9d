import assert from "node:assert/strict";
import { SegmentLog } from "@leat/node/services/jobs/segment-log.ts";
import type { MediaMessage, ProgressMessage, SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const facts = { epoch: 0, configVersion: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0 };
const never = new AbortController().signal;

describe("segment log", () => {
  let nowMs: number;
  let log: SegmentLog;

  beforeEach(() => {
    nowMs = 0;
    log = new SegmentLog({ keptSegments: 20, lag: { clock: { nowMs: () => nowMs }, maxMs: 5_000 } });
  });

  function begin(sequence: number): void {
    const message: SegmentStartMessage = { type: "segmentStart", rung: 1, sequence, ...facts };
    log.append({ rung: 1, sequence, message, config: { version: 0, config } });
  }

  function end(sequence: number): void {
    const message: MediaMessage = { type: "segmentEnd", rung: 1, sequence, frames: 0, durationTicks: 0 };
    log.append({ rung: 1, sequence, message });
  }

  /** The next message that is no configuration. */
  async function next(reader: AsyncIterator<MediaMessage, void>): Promise<string> {
    const { value } = await reader.next();
    if (value?.type === "config") return next(reader);
    return value === undefined ? "end" : `${value.type} ${(value as SegmentStartMessage).sequence}`;
  }

  it("lets a reader that lags go on with the newest segment, and never one that reads what was there before it", async () => {
    for (const sequence of [0, 1]) {
      begin(sequence);
      end(sequence);
    }
    nowMs = 60_000;
    const reader = log.readFrom(0, never)[Symbol.asyncIterator]();
    assert.deepEqual([await next(reader), await next(reader)], ["segmentStart 0", "segmentEnd 0"]);
    for (const sequence of [2, 3, 4, 5]) {
      begin(sequence);
      nowMs += 2_000;
      end(sequence);
    }
    // History first, however old; then what came more than five seconds ago is passed over.
    assert.deepEqual([await next(reader), await next(reader)], ["segmentStart 1", "segmentEnd 1"]);
    assert.deepEqual([await next(reader), await next(reader)], ["segmentStart 5", "segmentEnd 5"]);
    log.close();
    assert.equal(await next(reader), "end");
  });

  it("tells a reader how far the stream is once it has read all of that, or had it before, and the newest alone", async () => {
    const told = (sequence: number, atMs: number): ProgressMessage => {
      return { type: "progress", atMs, rung: 1, sequence, parts: 1, signature: new Uint8Array(65) };
    };
    begin(0);
    log.tell(told(0, 100));
    begin(1);
    log.tell(told(1, 200));
    const reader = log.readFrom(0, never)[Symbol.asyncIterator]();
    assert.deepEqual(
      [await next(reader), await next(reader), await next(reader)],
      ["segmentStart 0", "segmentStart 1", "progress 1"],
    );
    const waiting = next(reader);
    log.tell(told(1, 300));
    assert.equal(await waiting, "progress 1");
    // It asked for what follows: that is all that there is.
    const early = log.readFrom(2, never)[Symbol.asyncIterator]();
    assert.equal(await next(early), "progress 1");
    const own = log.readFrom(2, never, true)[Symbol.asyncIterator]();
    const first = next(own);
    begin(2);
    assert.deepEqual([await next(early), await first], ["segmentStart 2", "segmentStart 2"]);
    // Nothing of the segment that began is published yet.
    log.tell(told(1, 350));
    assert.deepEqual([await next(reader), await next(reader)], ["segmentStart 2", "progress 1"]);
    // The start of what this is about was not sent to it.
    const late = log.readFrom(3, never)[Symbol.asyncIterator]();
    log.tell(told(3, 400));
    const more = next(late);
    begin(3);
    assert.equal(await more, "segmentStart 3");
    log.close();
    assert.equal(await next(late), "end");
  });

  it("wakes who gets whole parts for no frame, and loses nobody where frames went that it never looked at", async () => {
    log = new SegmentLog({ keptSegments: 2 });
    const frame = { kind: "video", epoch: 0, dts: 0, pts: 0, duration: 1, key: true, configVersion: 0 } as const;
    const addFrame = (sequence: number) => {
      const message = {
        type: "frame",
        rung: 1,
        sequence,
        frame: { ...frame, arrivalMs: 0, data: new Uint8Array(1) },
      } as const;
      log.append({ rung: 1, sequence, message });
    };
    begin(0);
    const leaving = new AbortController();
    const own = log.readFrom(0, never, true)[Symbol.asyncIterator]();
    const other = log.readFrom(0, leaving.signal, true)[Symbol.asyncIterator]();
    assert.deepEqual([await next(own), await next(other)], ["segmentStart 0", "segmentStart 0"]);
    const first = next(own);
    const left = next(other);
    for (let count = 0; count < 10; count += 1) addFrame(0);
    leaving.abort();
    await assert.rejects(left, { name: "AbortError" });
    begin(5);
    assert.equal(await first, "segmentStart 5");
    addFrame(5);
    end(5);
    assert.equal(await next(own), "segmentEnd 5");
    const last = next(own);
    addFrame(5);
    log.close();
    assert.equal(await last, "end");
  });

  it("passes nothing over for a reader that is in time", async () => {
    const reader = log.readFrom(0, never)[Symbol.asyncIterator]();
    for (const sequence of [0, 1, 2]) {
      begin(sequence);
      nowMs += 2_000;
    }
    assert.deepEqual(
      [await next(reader), await next(reader), await next(reader)],
      ["segmentStart 0", "segmentStart 1", "segmentStart 2"],
    );
  });
});
