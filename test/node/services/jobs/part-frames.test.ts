import assert from "node:assert/strict";
import { partTargetTicks, SegmentPackager } from "@leat/node/media/packager.ts";
import { keepWithin, type LogEntry, SegmentLog } from "@leat/node/services/jobs/segment-log.ts";
import type { FrameMessage } from "@leat/node/wire/media/message.ts";
import { type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const FRAMES = 8;
const TICKS = VIDEO_TIMESCALE / 30;

describe("frames of a part that is whole", () => {
  const tag = Uint8Array.of(1, 2, 3);
  const framesOf = (): Frame[] =>
    Array.from({ length: FRAMES }, (_, at) => ({
      kind: "video" as const,
      epoch: 3,
      dts: at * TICKS,
      pts: (at + 2) * TICKS,
      duration: TICKS,
      key: at === 0,
      configVersion: 1,
      arrivalMs: 1_700_000_000_000.25 + at,
      data: new Uint8Array(10 + at).fill(at + 1),
      ...(at === 2 && { tags: [{ pts: 5, tag }] }),
    }));

  let log: SegmentLog;
  let entries: LogEntry[];
  let frames: Frame[];

  beforeEach(() => {
    log = new SegmentLog({ keptSegments: 4 });
    frames = framesOf();
    const start = { epoch: 3, configVersion: 1, firstFrame: 0, discontinuity: false, wallClockMs: 0 };
    log.append({
      rung: 1,
      sequence: 0,
      message: { type: "segmentStart", rung: 1, sequence: 0, ...start },
      config: { version: 1, config },
    });
    entries = frames.map((frame) =>
      log.append({ rung: 1, sequence: 0, message: { type: "frame", rung: 1, sequence: 0, frame } }),
    );
  });

  function packedBytes(of: readonly Frame[]): Uint8Array<ArrayBuffer> {
    const packager = new SegmentPackager({
      config,
      sequence: 0,
      partTargetTicks: partTargetTicks(VIDEO_TIMESCALE, 1_000),
    });
    for (const frame of of) assert.equal(packager.push(frame), undefined);
    return packager.finish()!.bytes;
  }

  async function readFrames(): Promise<Frame[]> {
    log.close();
    const read: Frame[] = [];
    for await (const message of log.readFrom(0, new AbortController().signal)) {
      if (message.type === "frame") read.push((message as FrameMessage).frame);
    }
    return read;
  }

  it("are read as they were sent, and hold no bytes but those of their part", async () => {
    const sent = framesOf();
    const bytes = packedBytes(frames);
    keepWithin({ bytes }, entries);
    const read = await readFrames();
    assert.deepEqual(read, sent);
    for (const { data } of [...read, ...frames]) assert.equal(data.buffer, bytes.buffer);
    // Whoever holds a frame from before sees the same in it.
    assert.deepEqual(frames, sent);
  });

  it("are those behind what was taken back", async () => {
    const again = framesOf().slice(0, 5);
    const restart = log.append({ rung: 1, sequence: 0, message: { type: "partRestart", rung: 1, sequence: 0 } });
    const anew = again.map((frame) =>
      log.append({ rung: 1, sequence: 0, message: { type: "frame", rung: 1, sequence: 0, frame } }),
    );
    const bytes = packedBytes(again);
    keepWithin({ bytes }, [...entries, restart, ...anew]);
    assert.deepEqual(await readFrames(), [...framesOf(), ...framesOf().slice(0, 5)]);
    assert.ok(frames.every(({ data }) => data.buffer !== bytes.buffer));
    assert.ok(again.every(({ data }) => data.buffer === bytes.buffer));
  });
});
