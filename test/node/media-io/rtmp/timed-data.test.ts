import assert from "node:assert/strict";
import { readTimedData } from "@leat/node/media-io/rtmp/timed-data.ts";
import { type AmfValue, encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";
import fc from "fast-check";

/** What an ID3 reader makes of a tag of one TXXX frame: its description and its value. */
function readText(tag: Uint8Array): [string, string] {
  const bytes = Buffer.from(tag);
  assert.equal(bytes.toString("latin1", 0, 6), "ID3\u0004\0\0");
  const size = (from: number) => bytes.subarray(from, from + 4).reduce((sum, one) => sum * 128 + one, 0);
  assert.equal(size(6), bytes.length - 10);
  assert.equal(bytes.toString("latin1", 10, 14), "TXXX");
  assert.equal(size(14), bytes.length - 20);
  assert.deepEqual([...bytes.subarray(18, 21)], [0, 0, 3]);
  const [description = "", value = ""] = bytes.toString("utf8", 21).split("\0");
  return [description, value];
}

const readAt = (timestamp: number, payload: Uint8Array, type: number = messageTypes.dataAmf0) =>
  readTimedData({ type, timestamp, payload });
const read = (...values: AmfValue[]) => readAt(1_234, encodeAmf(values));

describe("timed data of RTMP", () => {
  it("is a tag with the message's name and what it says", () => {
    const said = new Map<string, AmfValue>([
      ["text", "Grüße"],
      ["parameters", new Map<string, AmfValue>([["level", 3]])],
      ["list", [1, true, null]],
    ]);
    for (const name of ["onTextData", "onCuePoint"]) {
      const found = read(name, said)!;
      assert.equal(found.atMs, 1_234);
      const [description, value] = readText(found.tag);
      assert.equal(description, name);
      assert.deepEqual(JSON.parse(value), { text: "Grüße", parameters: { level: 3 }, list: [1, true, null] });
      assert.deepEqual(read("@setDataFrame", name, said), found);
    }
    const asAmf3 = Buffer.concat([Buffer.of(0), encodeAmf(["onTextData"])]);
    assert.deepEqual(readAt(1_234, asAmf3, messageTypes.dataAmf3), read("onTextData"));
    assert.deepEqual(readText(read("onTextData")!.tag), ["onTextData", "[]"]);
    assert.deepEqual(readText(read("onTextData", "one", 2)!.tag), ["onTextData", '["one",2]']);
    assert.deepEqual(JSON.parse(readText(read("onTextData", "x".repeat(300))!.tag)[1]), "x".repeat(300));
  });

  it("is nothing else, whatever comes", () => {
    assert.equal(read("onMetaData", new Map()), undefined);
    assert.equal(read("@setDataFrame", "onMetaData", new Map()), undefined);
    assert.equal(read(7), undefined);
    assert.equal(readAt(0, encodeAmf(["onTextData"]), messageTypes.command), undefined);
    assert.equal(readAt(0, encodeAmf(["onTextData", "cut"]).subarray(0, -1)), undefined);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        assert.equal(readAt(0, bytes), undefined);
      }),
    );
  });
});
