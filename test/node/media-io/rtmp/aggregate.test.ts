import assert from "node:assert/strict";
import { splitMessage } from "@leat/node/media-io/pull/rtmp-source.ts";
import { messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";

/** As an FLV file holds it. */
function tag(type: number, timeMs: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(11);
  head[0] = type;
  head.writeUIntBE(body.length, 1, 3);
  head.writeUIntBE(timeMs & 0xffffff, 4, 3);
  head[7] = timeMs >>> 24;
  return Buffer.concat([head, body, Buffer.alloc(4)]);
}

const split = (payload: Uint8Array, timestamp = 1_000) => [
  ...splitMessage({ type: messageTypes.aggregate, streamId: 1, timestamp, payload }),
];

describe("aggregates of a server by rtmp", () => {
  const tags = [tag(9, 0x01000005, Uint8Array.of(1, 2)), tag(8, 0x0100002d, Uint8Array.of(3))];

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

  it("are left alone where they are none", () => {
    const message = { type: messageTypes.video, streamId: 1, timestamp: 7, payload: Uint8Array.of(9) };
    assert.deepEqual([...splitMessage(message)], [message]);
  });
});
