import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { bytesToHex, hexToBytes } from "@leat/sdk/protocol/hex.ts";

describe("bytes as text", () => {
  for (const size of [0, 1, 32, 4_095, 4_096, 4_097, 100_000]) {
    it(`are two digits a byte, ${size} of them, and back`, () => {
      const bytes = randomBytes(size);
      assert.equal(bytesToHex(bytes), `0x${bytes.toString("hex")}`);
      assert.deepEqual(hexToBytes(bytesToHex(bytes)), new Uint8Array(bytes));
    });
  }
});
