import assert from "node:assert/strict";
import { instrumentBranches } from "../../../scripts/proof/branches.ts";
import { isWhole, reportCoverage, toWord } from "../../../scripts/proof/coverage-report.ts";
import { readProgram } from "../../../scripts/proof/syntax-tree.ts";

const head = "// SPDX-License-Identifier: Unlicense\npragma solidity 0.8.37;\n";

function instrument(body: string) {
  const program = readProgram({
    "S.sol": `${head}interface I { function f() external; }\ncontract S {\n${body}\n}\n`,
  });
  return { program, made: instrumentBranches(program, program.files.find(({ path }) => path === "S.sol")!, 100) };
}

describe("scripts/proof/branches", function () {
  this.timeout(120_000);

  it("marks both ways of conditions, of each side of a logical sum or product, and of a try", () => {
    const { made } = instrument(`function a(uint256 x, I other) external returns (uint256 y) {
      if (x > 1 && x < 9) y = 1;
      for (uint256 i = 0; i < x; ++i) y += i > 2 || i == 1 ? 5 : 6;
      require(y != 3);
      try other.f() { y = 2; } catch {}
    }`);
    assert.deepEqual(
      made.branches.map(({ line, source, mark }) => [line, source, mark]),
      [
        [6, "x > 1 && x < 9", 100],
        [7, "i < x", 102],
        [7, "i > 2 || i == 1", 104],
        [6, "x > 1", 106],
        [6, "x < 9", 108],
        [7, "i > 2", 110],
        [7, "i == 1", 112],
        [8, "y != 3", 114],
        [9, "other.f()", 116],
      ],
    );
    assert.match(made.text, /if \(__covered\(__covered\(x > 1, 106\) && __covered\(x < 9, 108\), 100\)\)/);
    assert.match(made.text, /\{__covered\(true, 116\);.*catch \{__covered\(false, 116\);/);
  });

  it("gives what the compiler takes, on the same lines", () => {
    const { made } = instrument(`function a(bool x, bool y) external pure returns (bool) {
      return x && (y || !x) ? x : y;
    }`);
    const again = readProgram({ "S.sol": made.text });
    assert.equal(again.files.length, 1);
    assert.equal(
      made.text.split("\n")[5],
      "      return __covered(__covered(x, 102) && __covered((__covered(y, 106) || __covered(!x, 108)), 104), 100) ? x : y;",
    );
  });

  it("leaves a file without decisions as it is", () => {
    const { program, made } = instrument("function a(uint256 x) external pure returns (uint256) { return x; }");
    assert.equal(made.text, program.files[0]!.bytes.toString("utf8"));
  });
});

describe("scripts/proof/coverage-report", () => {
  const branch = { path: "S.sol", line: 3, source: "x > 1", ways: ["true", "false"] as const, mark: 100 };
  const lcov = "TN:\nSF:S.sol\nDA:3,1\nDA:4,1\nDA:9,0\nend_of_record\n";
  const both = new Set([toWord(100), toWord(101)]);

  it("is whole when every line and both ways of every decision were taken", () => {
    const found = reportCoverage(lcov, both, [branch], new Map([["S.sol", 8]]));
    assert.deepEqual(found, { lines: { found: 2, hit: 2 }, branches: { found: 2, hit: 2 }, missing: [] });
    assert.ok(isWhole(found));
  });

  it("names each line and way that is missing", () => {
    const found = reportCoverage(lcov, new Set([toWord(100)]), [branch], new Map([["S.sol", 9]]));
    assert.deepEqual(found.missing, ["S.sol:3 is never true: x > 1", "S.sol:9 is never run"]);
    assert.ok(!isWhole(found));
  });

  it("is not whole where nothing was measured or a file is missing", () => {
    assert.ok(!isWhole(reportCoverage("", new Set(), [], new Map())));
    const found = reportCoverage("TN:\n", both, [branch], new Map([["S.sol", 8]]));
    assert.deepEqual(found.missing, ["S.sol is not in the report"]);
  });
});
