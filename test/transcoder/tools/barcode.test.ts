import assert from "node:assert/strict";
import { BARCODE_NUMBER_LIMIT, paintBarcode, readBarcode } from "@leat/transcoder/tools/barcode.ts";
import fc from "fast-check";

const numbers = fc.integer({ min: 0, max: BARCODE_NUMBER_LIMIT - 1 });
const sides = fc.integer({ min: 64, max: 400 });

describe("transcoder/tools/barcode", () => {
  it("reads back every number at every size, with noise", () => {
    fc.assert(
      fc.property(numbers, sides, sides, fc.integer(), (number, width, height, seed) => {
        const gray = new Uint8Array(width * height).fill(128);
        paintBarcode(gray, width, width, height, number);
        let state = seed >>> 0;
        for (let index = 0; index < gray.length; index += 1) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          gray[index] = Math.min(255, Math.max(0, gray[index]! + (state >>> 26) - 32));
        }
        assert.equal(readBarcode(gray, width, height), number);
      }),
      { numRuns: 60 },
    );
  });

  it("sees no number in an even picture", () => {
    for (const shade of [0, 16, 128, 255]) {
      assert.equal(readBarcode(new Uint8Array(320 * 240).fill(shade), 320, 240), undefined);
    }
  });

  it("sees no number where one block is turned over", () => {
    const gray = new Uint8Array(320 * 240);
    paintBarcode(gray, 320, 320, 240, 12345);
    for (let row = 0; row < 20; row += 1)
      for (let x = 0; x < 20; x += 1) gray[row * 320 + x] = 255 - gray[row * 320 + x]!;
    assert.equal(readBarcode(gray, 320, 240), undefined);
  });
});
