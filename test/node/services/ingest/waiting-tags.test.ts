import assert from "node:assert/strict";
import { WaitingTags } from "@leat/node/services/ingest/waiting-tags.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_TAGS, MAX_TAG_BYTES } from "@leat/sdk/protocol/limits.ts";

/** A packet of 1,024 samples. */
function packet(index: number, epoch = 0): Frame {
  const times = { dts: 48_000 + index * 1_024, pts: 48_000 + index * 1_024, duration: 1_024 };
  return { kind: "audio", epoch, ...times, key: true, configVersion: 0, arrivalMs: 0, data: new Uint8Array(9) };
}

/** 90 kHz, of a sample. */
const at = (sample: number) => (sample * 90_000) / 48_000;
const tag = Uint8Array.of(1, 2, 3);

describe("timed metadata that waits for its frame", () => {
  let tags: WaitingTags;

  beforeEach(() => {
    tags = new WaitingTags(48_000);
  });
  const timesOf = (frame: Frame) => tags.attach(frame).tags?.map(({ pts }) => pts);

  it("goes with the packet in which it happens, and leaves others as they are", () => {
    tags.add({ epoch: 0, pts: at(50_000), tag });
    const [first, second, third] = [0, 1, 2].map((index) => packet(index)) as [Frame, Frame, Frame];
    assert.equal(tags.attach(first), first);
    assert.deepEqual(tags.attach(second), { ...second, tags: [{ pts: 50_000, tag }] });
    assert.equal(tags.attach(third), third);
  });

  it("goes with the next packet where its own has gone, and not at all long after it", () => {
    tags.add({ epoch: 0, pts: at(48_000), tag });
    assert.deepEqual(timesOf(packet(60)), [48_000]);
    tags.add({ epoch: 0, pts: at(48_000), tag });
    assert.equal(timesOf(packet(200)), undefined);
    assert.equal(timesOf(packet(0)), undefined);
  });

  it("is not told at the beginning where it was over before, as a source says again what it said an hour ago", () => {
    tags.add({ epoch: 0, pts: -180_001, tag });
    assert.equal(timesOf(packet(-40)), undefined);
    tags.add({ epoch: 0, pts: -180_000, tag });
    assert.deepEqual(timesOf(packet(-40)), [0]);
  });

  it("waits for its epoch, and ends with it", () => {
    tags.add({ epoch: 1, pts: at(48_000), tag });
    assert.equal(timesOf(packet(5, 0)), undefined);
    assert.deepEqual(timesOf(packet(0, 1)), [48_000]);
    tags.add({ epoch: 1, pts: at(500_000), tag });
    assert.equal(timesOf(packet(500, 2)), undefined);
    assert.equal(timesOf(packet(500, 1)), undefined);
  });

  it("gives each a time of its own, in order, as many as a packet may carry", () => {
    for (let index = 0; index < MAX_FRAME_TAGS + 1; index += 1) tags.add({ epoch: 0, pts: at(48_010), tag });
    assert.deepEqual(timesOf(packet(0)), [48_010, 48_011, 48_012, 48_013]);
    tags.add({ epoch: 0, pts: at(48_013), tag });
    assert.deepEqual(timesOf(packet(1)), [48_014, 48_015]);
  });

  it("keeps so many and no more, and none that is too long", () => {
    for (let index = 0; index < 100; index += 1) tags.add({ epoch: 0, pts: at(100_000 + index), tag });
    tags.add({ epoch: 0, pts: at(100_000), tag: new Uint8Array(MAX_TAG_BYTES + 1) });
    tags.add({ epoch: 0, pts: at(100_000), tag: new Uint8Array() });
    const times: number[] = [];
    for (let index = 50; index < 70; index += 1) times.push(...(timesOf(packet(index)) ?? []));
    assert.deepEqual(
      times,
      Array.from({ length: 32 }, (_, index) => 100_068 + index),
    );
  });
});
