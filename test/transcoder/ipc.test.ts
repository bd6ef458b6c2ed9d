import assert from "node:assert/strict";
import { encodeMessage, MessageReader } from "@leat/transcoder/ipc.ts";
import fc from "fast-check";

const messages = fc.array(
  fc.record({ type: fc.string(), pts: fc.integer(), data: fc.uint8Array({ maxLength: 200 }) }),
  { maxLength: 8 },
);

describe("transcoder/ipc", () => {
  it("gives back every message, however the bytes are cut", () => {
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 64 }), (list, size) => {
        const bytes = Buffer.concat(list.map(encodeMessage));
        const reader = new MessageReader();
        const read: unknown[] = [];
        for (let at = 0; at < bytes.length; at += size) read.push(...reader.push(bytes.subarray(at, at + size)));
        assert.deepEqual(
          read.map((one) => ({ ...(one as (typeof list)[0]), data: [...(one as (typeof list)[0]).data] })),
          list.map((one) => ({ ...one, data: [...one.data] })),
        );
      }),
    );
  });

  it("refuses a length that no message has, before it holds the bytes", () => {
    const reader = new MessageReader();
    assert.throws(() => [...reader.push(Buffer.from([0xff, 0xff, 0xff, 0xff]))], { code: "TRANSCODE_MESSAGE_INVALID" });
  });
});
