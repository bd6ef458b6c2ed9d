import assert from "node:assert/strict";
import { ChannelCache } from "../../../node/chain/channel-cache.ts";
import type { DecodedLog } from "../../../node/chain/event-reader.ts";
import type { Hex } from "../../../sdk/protocol/hex.ts";

const one: Hex = `0x${"01".padStart(64, "0")}`;
const other: Hex = `0x${"02".padStart(64, "0")}`;
const holding = (reserve: bigint) => ({ collected: 0n, reserve, thawing: 0n });
const eventOf = (channel: Hex) => ({ eventName: "Collected", args: { channel } }) as unknown as DecodedLog;

describe("channel cache", () => {
  it("reads a channel once, and again when an event names it", async () => {
    const cache = new ChannelCache();
    let reads = 0;
    const read = async () => {
      reads += 1;
      return holding(BigInt(reads));
    };
    assert.deepEqual(await Promise.all([cache.get(one, read), cache.get(one, read)]), [holding(1n), holding(1n)]);
    cache.forget([eventOf(other)]);
    assert.deepEqual(await cache.get(one, read), holding(1n));
    cache.forget([eventOf(one)]);
    assert.deepEqual(await cache.get(one, read), holding(2n));
    cache.clear();
    assert.deepEqual(await cache.get(one, read), holding(3n));
  });

  it("does not remember what was read of the block before an event, nor a failure", async () => {
    const cache = new ChannelCache();
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof holding>>();
    const old = cache.get(one, () => promise);
    cache.forget([eventOf(one)]);
    resolve(holding(1n));
    assert.deepEqual(await old, holding(1n));
    assert.deepEqual(await cache.get(one, async () => holding(2n)), holding(2n));
    await assert.rejects(cache.get(other, () => Promise.reject(new Error("away"))));
    assert.deepEqual(await cache.get(other, async () => holding(4n)), holding(4n));
  });
});
