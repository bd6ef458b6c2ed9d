import assert from "node:assert/strict";
import { createLoopback } from "../../../../node/wire/media/loopback.ts";
import type { MediaMessage } from "../../../../node/wire/media/message.ts";

const self = `0x${"11".repeat(20)}` as const;
const accepted: MediaMessage = { type: "accepted" };

describe("a media stream of a node with itself", () => {
  it("carries messages both ways, and what was sent before a goodbye", async () => {
    const [here, there] = createLoopback(self);
    await here.send(accepted);
    await there.send({ type: "end", code: "A" });
    const heard: MediaMessage[] = [];
    for await (const message of here.messages) {
      heard.push(message);
      break;
    }
    await here.close();
    for await (const message of there.messages) heard.push(message);
    assert.deepEqual(heard, [{ type: "end", code: "A" }, accepted]);
    assert.equal(await there.ended, undefined);
    await assert.rejects(there.send(accepted), { detail: { code: "WIRE_STREAM_CLOSED" } });
  });

  it("makes the sender wait while nobody reads", async () => {
    const [here, there] = createLoopback(self);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 5_000; sent += 1) await here.send(accepted);
    })();
    await new Promise(setImmediate);
    assert.ok(sent <= 1_024, `${sent} were taken`);
    let heard = 0;
    for await (const message of there.messages) {
      assert.deepEqual(message, accepted);
      heard += 1;
      if (heard === 5_000) break;
    }
    await sending;
  });

  it("breaks at both ends when one aborts", async () => {
    const [here, there] = createLoopback(self);
    const error = new Error("gone");
    here.abort(error);
    assert.equal(await there.ended, error);
    await assert.rejects(async () => {
      for await (const message of there.messages) assert.fail(message.type);
    }, error);
  });
});
