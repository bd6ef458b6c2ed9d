import assert from "node:assert/strict";
import { FrameRelay } from "@leat/node/media/live-frames.ts";
import { MadeSegments } from "@leat/node/services/ingest/made-segments.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const rendition = (rung: number): RenditionInfo => {
  return { rung, name: `r${rung}`, kind: "video", codec: "h264", width: 160, height: 120, bitrate: 1 };
};

describe("segments that were made for their publisher", () => {
  let relay: FrameRelay;
  let made: MadeSegments;
  let dts: Map<number, number>;

  beforeEach(() => {
    relay = new FrameRelay();
    dts = new Map();
    made = new MadeSegments(relay, [rendition(1), rendition(2)]);
    for (const rung of [1, 2]) relay.config(rung, 0, config);
  });

  function publish(rung: number, sequence: number, pictures: number, isFirst = true): void {
    for (let at = 0; at < pictures; at += 1) {
      const next = (dts.get(rung) ?? 0) + 3_000;
      dts.set(rung, next);
      const times = { dts: next, pts: next, duration: 3_000, arrivalMs: 0 };
      const data = Uint8Array.of(rung, sequence, at);
      const frame: Frame = { kind: "video", epoch: 0, ...times, key: isFirst && at === 0, configVersion: 0, data };
      relay.frame(rung, sequence, frame);
    }
  }
  const shape = async (taken: ReturnType<MadeSegments["take"]>) =>
    (await taken).map(({ name, segments }) => [name, ...segments.map(({ frames }) => frames.length)]);

  it("are given when every rung has every picture of them, with all segments that one push became", async () => {
    const taken = made.take(
      new Map([
        [4, 3],
        [5, 2],
      ]),
    );
    let isGiven = false;
    void taken.then(() => {
      isGiven = true;
    });
    publish(1, 4, 3);
    publish(1, 5, 2);
    publish(2, 4, 3);
    publish(2, 5, 1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isGiven, false);
    publish(2, 5, 1, false);
    assert.deepEqual(await shape(taken), [
      ["r1", 3, 2],
      ["r2", 3, 2],
    ]);
  });

  it("may have come before they are asked for, and follow each other", async () => {
    publish(1, 0, 2);
    publish(2, 0, 2);
    const first = made.take(new Map([[0, 2]]));
    const second = made.take(new Map([[1, 1]]));
    publish(2, 1, 1);
    publish(1, 1, 1);
    assert.deepEqual(await shape(first), [
      ["r1", 2],
      ["r2", 2],
    ]);
    assert.deepEqual(await shape(second), [
      ["r1", 1],
      ["r2", 1],
    ]);
  });

  it("hold nothing that was taken back when its transcoder died", async () => {
    const taken = made.take(new Map([[0, 4]]));
    publish(1, 0, 4);
    publish(2, 0, 3);
    relay.takeBack(2, 2);
    publish(2, 0, 2, false);
    let isGiven = false;
    void taken.then(() => {
      isGiven = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isGiven, false);
    publish(2, 0, 1, false);
    assert.deepEqual(await shape(taken), [
      ["r1", 4],
      ["r2", 4],
    ]);
  });

  it("are refused where one will never be whole, and the next is given all the same", async () => {
    const short = made.take(new Map([[0, 3]]));
    const next = made.take(new Map([[1, 1]]));
    publish(1, 0, 3);
    publish(2, 0, 2);
    publish(2, 1, 1);
    await assert.rejects(short, { code: "INGEST_RENDITIONS_SHORT" });
    publish(1, 1, 1);
    assert.deepEqual(await shape(next), [
      ["r1", 1],
      ["r2", 1],
    ]);
    const last = made.take(new Map([[2, 1]]));
    relay.end();
    await assert.rejects(last, { code: "INGEST_RENDITIONS_SHORT" });
  });

  it("are refused when their publisher is gone, and nothing is gathered any more", async () => {
    const taken = made.take(new Map([[0, 1]]));
    const gone = new CodedError({ code: "INGEST_PUBLISHER_REPLACED" });
    made.close(gone);
    await assert.rejects(taken, gone);
    publish(1, 0, 1);
    publish(2, 0, 1);
    await assert.rejects(made.take(new Map([[0, 1]])), gone);
  });

  it("are nothing at once where no rung is asked for", async () => {
    assert.deepEqual(await new MadeSegments(relay, []).take(new Map([[0, 9]])), []);
  });
});
