import assert from "node:assert/strict";
import { addCounts, countTests, describeCount, failuresIn, judgeSuite } from "../../../scripts/lib/test-count.ts";

const green = "  a\n    ✔ does one thing\n\n\n  12 passing (3s)\n  2 pending\n";
const red = "\u001b[92m \u001b[0m\u001b[32m 5 passing\u001b[0m (1s)\n\u001b[31m  3 failing\u001b[0m\n\n  1) b\n";

describe("scripts/test-count", () => {
  it("reads summaries with and without colour, and sums several", () => {
    assert.deepEqual(countTests(green), { passed: 12, failed: 0, skipped: 2 });
    assert.deepEqual(countTests(red), { passed: 5, failed: 3, skipped: 0 });
    assert.deepEqual(countTests(green + red), addCounts(countTests(green), countTests(red)));
  });

  it("counts Hardhat's mocha tests once and its Solidity tests too", () => {
    const mocha = "  3 passing (5ms)\n  1 failing\n";
    const both = "4 passing (1 solidity, 3 mocha)\n3 failing (2 solidity, 1 mocha)\n";
    assert.deepEqual(countTests(mocha + both), { passed: 4, failed: 3, skipped: 0 });
    assert.deepEqual(countTests(`${mocha}3 passing (3 mocha)\n1 failing (1 mocha)\n`), {
      passed: 3,
      failed: 1,
      skipped: 0,
    });
    assert.deepEqual(countTests("7 passing (7 solidity)\n"), { passed: 7, failed: 0, skipped: 0 });
  });

  it("fails a suite that exits with an error, says nothing or passes nothing", () => {
    assert.deepEqual(judgeSuite(green, 0, true), { passed: 12, failed: 0, skipped: 2 });
    assert.equal(judgeSuite(green, 7, true).failed, 1);
    assert.equal(judgeSuite(green, null, true).failed, 1);
    assert.equal(judgeSuite(red, 3, true).failed, 3);
    assert.equal(judgeSuite("", 0, true).failed, 1);
    assert.equal(judgeSuite("  0 passing (1ms)\n", 0, true).failed, 1);
  });

  it("counts a check as one", () => {
    assert.equal(describeCount(judgeSuite("12 failing", 0, false)), "1 passed, 0 failed");
    assert.equal(describeCount(judgeSuite("", 1, false)), "0 passed, 1 failed");
  });

  it("finds what failed, or where a suite broke off", () => {
    assert.equal(failuresIn(`${green}${red}`), "  3 failing\n\n  1) b");
    assert.equal(failuresIn("compiling\nerror: no\n"), "compiling\nerror: no");
    assert.ok(failuresIn(`${"x".repeat(100_000)}end`).endsWith("end"));
    assert.ok(failuresIn(`${"x\n".repeat(50_000)}end`).length <= 12_000);
  });

  it("names what was skipped", () => {
    assert.equal(describeCount(countTests(green)), "12 passed, 0 failed, 2 skipped");
  });
});
