import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { partLeaf, placeParts, RunningHash, servedLeaf, sortLeaves } from "@leat/node/media/running-hash.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { hashPartLeaf } from "@leat/sdk/protocol/merkle.ts";

const sha256 = (bytes: Uint8Array) => Uint8Array.from(createHash("sha256").update(bytes).digest());
const part = {
  index: 2,
  bytes: Uint8Array.of(1, 2, 3),
  frames: 7,
  pixels: 700,
  durationTicks: 21_000,
  startTicks: 0,
  independent: false,
  headSizeBytes: 3,
};

describe("running hash", () => {
  it("is the SHA-256 of what it was and the part's SHA-256", () => {
    const running = new RunningHash(sha256);
    const first = running.add(sha256(Uint8Array.of(1)));
    assert.deepEqual(first, sha256(Uint8Array.of(...new Uint8Array(32), ...sha256(Uint8Array.of(1)))));
    assert.deepEqual(
      running.add(sha256(Uint8Array.of(2))),
      sha256(Uint8Array.of(...first, ...sha256(Uint8Array.of(2)))),
    );
    assert.deepEqual(running.value, new RunningHash(sha256, first).add(sha256(Uint8Array.of(2))));
  });

  it("describes parts as the leaves of receipts", () => {
    const hash = bytesToHex(sha256(part.bytes));
    const leaf = partLeaf(3, part, sha256);
    assert.deepEqual(leaf, { rung: 3, part: 2, frames: 7, pixels: 700n, sizeBytes: 3n, sha256: hash });
    assert.match(hashPartLeaf(leaf), /^0x[0-9a-f]{64}$/);
    assert.deepEqual(servedLeaf(3, 2, 9n, hash), {
      rung: 3,
      part: 2,
      frames: 0,
      pixels: 0n,
      sizeBytes: 9n,
      sha256: hash,
    });
    assert.deepEqual(
      sortLeaves([{ ...leaf, rung: 10 }, leaf, { ...leaf, part: 0 }]).map((item) => [item.rung, item.part]),
      [
        [3, 0],
        [3, 2],
        [10, 2],
      ],
    );
    assert.deepEqual(
      placeParts([part, part].map((item) => ({ part: item, sha256: hash }))).map((item) => item.offset),
      [0, 3],
    );
  });
});
