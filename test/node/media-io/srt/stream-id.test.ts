import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { nameOfHash, parseStreamId } from "@leat/node/media-io/srt/stream-id.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";

const keyHash = bytesToHex(createHash("sha256").update("key").digest());
const play = { type: "play", slug: "slug-1" };
const key = { type: "key", key: "abc_DEF-123" };

describe("srt stream id", () => {
  const read: readonly (readonly [id: string, target: unknown])[] = [
    ["abc_DEF-123", key],
    ["#!::r=abc_DEF-123,m=publish", key],
    ["#!::m=publish,u=someone,r=abc_DEF-123,t=stream", key],
    [nameOfHash(keyHash), { type: "hash", keyHash }],
    [`#!::r=${nameOfHash(keyHash)},m=publish`, { type: "hash", keyHash }],
    // One letter short of a hash.
    [nameOfHash(keyHash).slice(0, -1), { type: "key", key: nameOfHash(keyHash).slice(0, -1) }],
    // A key that has the beginning of a field's form.
    ["#!:r=x", { type: "key", key: "#!:r=x" }],
    ["play:slug-1", { ...play, rung: undefined, token: undefined }],
    ["play:slug-1/360p", { ...play, rung: "360p", token: undefined }],
    ["play:slug-1/~a.b-c/360p", { ...play, rung: "360p", token: "a.b-c" }],
    ["play:slug-1/~a.b-c", { ...play, rung: undefined, token: "a.b-c" }],
    ["#!::r=slug-1", { ...play, rung: undefined, token: undefined }],
    ["#!::m=request,token=a.b-c,r=slug-1/360p", { ...play, rung: "360p", token: "a.b-c" }],
  ];
  for (const [id, target] of read) it(`reads ${id}`, () => assert.deepEqual(parseStreamId(id), target));

  const refused = [
    "",
    "a b",
    "ключ",
    "x".repeat(257),
    "#!::",
    "#!::m=publish",
    "#!::r=a,r=b,m=publish",
    "#!::r=a,=,m=publish",
    "#!::m=request",
    "#!::r=a/b/c",
    "play:",
    "play:a b",
    "play:slug-1/../x",
    `play:${"x".repeat(65)}`,
  ];
  for (const id of refused) {
    it(`refuses ${JSON.stringify(id.slice(0, 40))}`, () => {
      const code = "SRT_STREAMID_INVALID";
      assert.throws(() => parseStreamId(id), { detail: { code } });
    });
  }

  it("refuses who neither publishes nor watches", () => {
    for (const [id, mode] of [
      ["#!::r=a,m=bidirectional", "bidirectional"],
      ["#!::r=a,m=\u0007", "unknown"],
    ] as const) {
      assert.throws(() => parseStreamId(id), { detail: { code: "SRT_MODE_UNSUPPORTED", mode } });
    }
  });
});
