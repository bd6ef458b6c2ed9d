import assert from "node:assert/strict";
import { AacDepacketizer, readAacParameters } from "@leat/node/media-io/rtsp/aac-depacketizer.ts";

const high = "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=1190";
const open = (parameters = high) => new AacDepacketizer(readAacParameters(parameters)!, 1_024);
const head = (size: number) => [size >> 5, (size & 0x1f) << 3];
const packet = (payload: readonly number[], timestamp = 5_000, marker = true) => ({
  payloadType: 97,
  sequence: 0,
  timestamp,
  ssrc: 1,
  marker,
  payload: Uint8Array.from(payload),
});

describe("aac out of its packets", () => {
  it("comes several units at once, each with its time, over the wrap of their clock too", () => {
    const two = packet([0, 32, ...head(3), ...head(2), 1, 2, 3, 4, 5], 2 ** 32 - 24);
    assert.deepEqual(
      open()
        .push(two)
        .map(({ timestamp, data }) => [timestamp, ...data]),
      [
        [2 ** 32 - 24, 1, 2, 3],
        [1_000, 4, 5],
      ],
    );
    // Heads of a byte, as low bit-rates have them.
    const low = open("mode=AAC-lbr;sizelength=6;indexlength=2;indexdeltalength=2;config=1190");
    assert.deepEqual(
      low.push(packet([0, 16, 1 << 2, 2 << 2, 7, 8, 9])).map(({ data }) => [...data]),
      [[7], [8, 9]],
    );
  });

  it("comes one unit in several packets, and not where one of them is lost", () => {
    const aac = open();
    assert.deepEqual(aac.push(packet([0, 16, ...head(5), 1, 2], 0, false)), []);
    assert.deepEqual(
      aac.push(packet([0, 16, ...head(5), 3, 4, 5])).map(({ data }) => [...data]),
      [[1, 2, 3, 4, 5]],
    );
    aac.push(packet([0, 16, ...head(5), 1, 2], 0, false));
    aac.lose();
    assert.deepEqual(aac.push(packet([0, 16, ...head(5), 3, 4, 5])), []);
    assert.equal(aac.malformed, 1);
  });

  it("is counted and left out where a packet of a unit holds nothing of it", () => {
    const aac = open();
    assert.deepEqual(aac.push(packet([0, 16, ...head(5)], 0, false)), []);
    aac.push(packet([0, 16, ...head(5), 1, 2], 0, false));
    assert.deepEqual(aac.push(packet([0, 16, ...head(5)], 0, false)), []);
    assert.deepEqual(aac.push(packet([0, 16, ...head(5), 3, 4, 5])), []);
    // The two that hold nothing, and the end of a unit whose beginning went with them.
    assert.equal(aac.malformed, 3);
  });

  it("is counted and left out where its heads are wrong", () => {
    const aac = open();
    for (const payload of [[], [0], [0, 0, 1], [0, 16], [0xff, 0xff, 1, 2, 3], [0, 32, ...head(2), ...head(9), 1, 2]]) {
      aac.push(packet(payload));
    }
    assert.equal(aac.malformed, 6);
  });

  it("is none in other forms", () => {
    for (const parameters of [
      "",
      high.replace("13", "12"),
      high.replace("AAC-hbr", "generic"),
      high.replace("1190", "1"),
    ]) {
      assert.equal(readAacParameters(parameters), undefined, parameters);
    }
  });
});
