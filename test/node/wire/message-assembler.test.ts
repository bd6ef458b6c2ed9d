import assert from "node:assert/strict";
import { frameMessages, MessageAssembler } from "../../../node/wire/message-assembler.ts";

const message = (...pieces: Uint8Array[]) => ({
  pieces,
  sizeBytes: pieces.reduce((sum, piece) => sum + piece.byteLength, 0),
});
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

describe("framed messages", () => {
  it("go out in one run where they are small, and large pieces uncopied between them", () => {
    const large = bytes(16_384, 3);
    const runs = frameMessages([message(bytes(2, 1)), message(bytes(3, 2), large), message(bytes(1, 4))]);
    assert.deepEqual(
      runs.map((run) => run.byteLength),
      [4 + 2 + 4 + 3, 16_384, 4 + 1],
    );
    assert.equal(runs[1], large);
    const assembler = new MessageAssembler(65_536);
    for (const run of runs) assembler.push(run);
    const read = [assembler.take(), assembler.take(), assembler.take(), assembler.take()];
    assert.deepEqual(
      read.map((found) => found && Buffer.from(found)),
      [bytes(2, 1), Buffer.concat([bytes(3, 2), large]), bytes(1, 4), undefined].map(
        (found) => found && Buffer.from(found),
      ),
    );
  });
});
