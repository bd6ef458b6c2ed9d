import assert from "node:assert/strict";
import { renderTable, reportError, toJson } from "@leat/node/cli/output.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";

/** What `work` writes to one of our own streams. */
function capture(stream: NodeJS.WriteStream, work: () => void): string {
  const original = stream.write;
  let written = "";
  stream.write = ((chunk: string) => {
    written += chunk;
    return true;
  }) as typeof stream.write;
  try {
    work();
  } finally {
    stream.write = original;
  }
  return written;
}

describe("cli/output", () => {
  it("writes bigints as text", () => {
    assert.equal(toJson({ amount: 12n, list: [1n] }), '{"amount":"12","list":["1"]}');
  });

  it("lines columns up", () => {
    assert.equal(
      renderTable([
        { a: "x", b: 1n },
        { a: "long", b: undefined },
      ]),
      "a     b\nx     1\nlong",
    );
    assert.equal(renderTable([]), "");
  });

  it("tells a coded error's facts once, and a bug's stack with another exit code", () => {
    const coded = new CodedError({ code: "TEST_SHORT", held: 4n });
    const line = capture(process.stderr, () => assert.equal(reportError(coded, false), 1));
    assert.equal(line, "TEST_SHORT: held=4\n");
    const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write", path: "/data/x" });
    const told = capture(process.stderr, () => assert.equal(reportError(full, false), 1));
    assert.equal(told, "FILE_UNUSABLE: /data/x cannot be used (the disk is full, ENOSPC); mend that and try again\n");
    const json = capture(process.stdout, () => reportError(coded, true));
    assert.deepEqual(JSON.parse(json), { error: { code: "TEST_SHORT", held: "4", message: "held=4" } });
    const bug = capture(process.stderr, () => assert.equal(reportError(new Error("bug"), false), 70));
    assert.match(bug, /Error: bug\n\s+at /);
  });
});
