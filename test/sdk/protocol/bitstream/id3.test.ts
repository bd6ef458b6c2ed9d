import assert from "node:assert/strict";
import { readId3Tags } from "@leat/sdk/protocol/bitstream/id3.ts";
import { MAX_TAG_BYTES } from "@leat/sdk/protocol/limits.ts";
import fc from "fast-check";
import { writeTag } from "../../../support/timed-tags.ts";

/** A tag of so many bytes in all, of zeros. */
function tagOf(sizeBytes: number, { footer = false } = {}): Uint8Array {
  const body = sizeBytes - (footer ? 20 : 10);
  const head = Buffer.from([...Buffer.from("ID3"), 4, 0, footer ? 0x10 : 0, 0, 0, body >> 7, body & 127]);
  return Buffer.concat([head], sizeBytes);
}

describe("id3", () => {
  const [first, second] = [writeTag("first"), writeTag("second")];

  it("is each tag that stands at the front, with its head and footer, up to what is none", () => {
    const ended = Uint8Array.from(tagOf(60, { footer: true }));
    assert.deepEqual(readId3Tags(Buffer.concat([first, ended, second, Buffer.from("KLV")])), [first, ended, second]);
    assert.deepEqual(readId3Tags(Buffer.concat([Buffer.from("."), first])), []);
  });

  it("is a copy", () => {
    const bytes = Uint8Array.from(first);
    const [tag] = readId3Tags(bytes);
    bytes.fill(0);
    assert.deepEqual(tag, first);
  });

  it("is none that is cut short", () => {
    for (let length = 0; length < second.length; length += 1) {
      assert.deepEqual(readId3Tags(Buffer.concat([first, second.subarray(0, length)])), [first]);
    }
  });

  it("leaves out a tag that is too long, and not the one behind it", () => {
    const longest = Uint8Array.from(tagOf(MAX_TAG_BYTES));
    assert.deepEqual(readId3Tags(Buffer.concat([tagOf(MAX_TAG_BYTES + 1), longest])), [longest]);
  });

  it("is eight of those that stand together", () => {
    assert.deepEqual(readId3Tags(Buffer.concat(Array<Uint8Array>(9).fill(first))), Array(8).fill(first));
  });

  it("takes any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        for (const tag of readId3Tags(Buffer.concat([Buffer.from("ID3"), bytes]))) assert.ok(tag.length >= 10);
      }),
    );
  });
});
