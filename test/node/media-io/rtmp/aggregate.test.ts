import assert from "node:assert/strict";
import { splitMessage } from "@leat/node/media-io/rtmp/aggregate.ts";
import { messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { flvTag } from "../../../support/flv-tag.ts";

const split = (payload: Uint8Array, timestamp = 1_000) => [
  ...splitMessage({ type: messageTypes.aggregate, streamId: 1, timestamp, payload }),
];

describe("aggregates by rtmp", () => {
  const tags = [flvTag(9, Uint8Array.of(1, 2), 0x01000005), flvTag(8, Uint8Array.of(3), 0x0100002d)];

  it("hold messages whose times follow the aggregate's own, over the wrap of its clock too", () => {
    assert.deepEqual(
      split(Buffer.concat(tags)).map(({ type, timestamp, payload }) => [type, timestamp, ...payload]),
      [
        [9, 1_000, 1, 2],
        [8, 1_040, 3],
      ],
    );
    assert.deepEqual(
      split(Buffer.concat(tags), 2 ** 32 - 10).map(({ timestamp }) => timestamp),
      [2 ** 32 - 10, 30],
    );
  });

  it("end where they are cut short", () => {
    const whole = Buffer.concat(tags);
    for (let size = 0; size < whole.length; size += 1) {
      assert.equal(split(whole.subarray(0, size)).length, size < 13 ? 0 : size < 29 ? 1 : 2, `${size}`);
    }
  });

  it("hold what a file may hold, and no aggregates in turn", () => {
    const odd = [flvTag(22, Buffer.concat(tags)), flvTag(1, Uint8Array.of(0, 0, 0, 1)), flvTag(18, Uint8Array.of(2))];
    assert.deepEqual(
      split(Buffer.concat([...odd, ...tags])).map(({ type }) => type),
      [18, 9, 8],
    );
  });

  it("are left alone where they are none", () => {
    const message = { type: messageTypes.video, streamId: 1, timestamp: 7, payload: Uint8Array.of(9) };
    assert.deepEqual([...splitMessage(message)], [message]);
  });
});
