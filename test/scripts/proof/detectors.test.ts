import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { answers } from "../../../scripts/proof/answers.ts";
import { findAllFaults } from "../../../scripts/proof/detectors/all.ts";
import { describeFinding } from "../../../scripts/proof/detectors/finding.ts";
import { readProgram } from "../../../scripts/proof/syntax-tree.ts";

const root = join(import.meta.dirname, "../../..");

/** Findings in one contract, without the detector's name where it is the one that is asked for. */
function find(detector: string, body: string, before = ""): string[] {
  const source = `// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
interface IOther { function act() external returns (uint256); function look() external view returns (uint256); function tell() external; }
${before}
contract Sample is ReentrancyGuardTransient {
  uint256 internal _count; address internal _keeper; uint256[] internal _list; uint256 internal constant TEN = 10;
  mapping(address => uint256) internal _held; IOther internal immutable _other = IOther(address(1));
  ${body}
}`;
  const program = readProgram({ "Sample.sol": source });
  return findAllFaults(program, (path) => path === "Sample.sol")
    .filter((finding) => finding.detector === detector)
    .map(({ place, what }) => `${place} | ${what}`);
}

describe("scripts/proof/detectors", function () {
  this.timeout(180_000);

  describe("unchecked-call", () => {
    it("finds a low-level call whose success nobody reads", () => {
      const found = find(
        "unchecked-call",
        `function a(address to) external { to.call(""); }
         function b(address to) external { (bool good,) = to.call(""); }
         function c(address payable to) external { to.send(1); }
         function d(address to) external { (, bytes memory answer) = to.call{gas: 5}(""); answer; }`,
      );
      assert.equal(found.length, 4);
    });

    it("finds answers that are dropped, in whole or in part, and swallowed failures", () => {
      const found = find(
        "unchecked-call",
        `function pair() internal pure returns (uint256, uint256) { return (1, 2); }
         function a() external { _other.act(); }
         function b() external { (_count,) = pair(); }
         function c() external returns (uint256 first) { (first,) = pair(); }
         function d() external { try _other.tell() {} catch {} }`,
      );
      assert.deepEqual(
        found.map((item) => item.split(" | ")[0]),
        ["Sample.a", "Sample.b", "Sample.c", "Sample.d"],
      );
    });

    it("leaves alone what is read, and calls that answer nothing", () => {
      const found = find(
        "unchecked-call",
        `function a(address to) external returns (bool good) { (good,) = to.call(""); }
         function b(address to) external { (bool good, bytes memory answer) = to.call(""); require(good && answer.length == 0); }
         function c() external { _count = _other.act(); _other.tell(); }
         function d() external { try _other.tell() { ++_count; } catch { _count = 0; } }`,
      );
      // Only the hole that stands for the answer's bytes in a.
      assert.deepEqual(found, []);
    });
  });

  describe("reentrancy-order", () => {
    it("finds writes after foreign code, through functions, modifiers and libraries too", () => {
      const found = find(
        "reentrancy-order",
        `modifier asks() { _other.tell(); _; }
         function inner() private { _other.tell(); }
         function a() external { _other.tell(); ++_count; }
         function b() external { inner(); _held[msg.sender] = 1; }
         function c() external asks { _keeper = msg.sender; }
         function d(IERC20 coin) external { SafeERC20.safeTransfer(coin, msg.sender, 1); _count -= 1; }
         function e() external { for (uint256 i = 0; i < 3; ++i) { ++_count; _other.tell(); } }
         function f(bool yes) external { if (yes) { _other.tell(); } _list.push(1); }
         function g() external { delete _held[msg.sender]; (bool good,) = msg.sender.call(""); if (good) _count = 1; }`,
        `import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
         import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";`,
      );
      assert.deepEqual(
        found.map((item) => item.split(" | ")[0]).toSorted(),
        ["a", "b", "c", "d", "e", "f", "g"].map((name) => `Sample.${name}`),
      );
    });

    it("finds a guarded late write of what an open function touches", () => {
      const found = find(
        "reentrancy-order",
        `function a() external nonReentrant { _other.tell(); ++_count; _keeper = msg.sender; }
         function b() external { require(_count != 7); _list.push(2); }`,
      );
      assert.deepEqual(found, ["Sample.a | ++_count (Sample._count is written after _other.tell)"]);
    });

    it("leaves alone writes before a call, views, arms that exclude each other and guarded state", () => {
      const found = find(
        "reentrancy-order",
        `function a() external { ++_count; _other.tell(); }
         function b() external { uint256 seen = _other.look(); _count = seen; }
         function c(bool yes) external { if (yes) { _other.tell(); return; } ++_count; }
         function d(bool yes) external { if (yes) _other.tell(); else ++_count; }
         function e() external nonReentrant { _other.tell(); _keeper = msg.sender; }
         function f() external { _other.tell(); uint256 local = 1; local = 2; }`,
      );
      assert.deepEqual(found, []);
    });
  });

  describe("unbounded-loop", () => {
    it("finds loops over state, over a number and without an end", () => {
      const found = find(
        "unbounded-loop",
        `function a() external { for (uint256 i = 0; i < _list.length; ++i) ++_count; }
         function b(uint256 n) external { for (uint256 i = 0; i < n; ++i) ++_count; }
         function c() external { while (true) { ++_count; } }
         function d() external { uint256[] memory copy = _list; for (uint256 i = 0; i < copy.length; ++i) ++_count; }`,
      );
      assert.equal(found.length, 4);
    });

    it("leaves alone what the caller's input or a constant bounds", () => {
      const found = find(
        "unbounded-loop",
        `function a(uint256[] calldata given) external { for (uint256 i = 0; i < given.length; ++i) ++_count; }
         function b() external { for (uint256 i = 0; i < TEN; ++i) ++_count; }
         function c() external { for (uint256 i = 0; i < 3; ++i) ++_count; }
         function d(uint256[] calldata given) external {
           uint256[] memory made = new uint256[](given.length);
           for (uint256 i = 0; i < made.length; ++i) ++_count;
         }`,
      );
      assert.deepEqual(found, []);
    });
  });

  describe("storage-read-in-loop", () => {
    it("finds state that every round reads again, in functions that it calls too", () => {
      const found = find(
        "storage-read-in-loop",
        `function inner() private view returns (uint256) { return _count; }
         function a(uint256[] calldata given) external view returns (uint256 sum) {
           for (uint256 i = 0; i < given.length; ++i) sum += given[i] * _count;
         }
         function b(uint256[] calldata given) external view returns (uint256 sum) {
           for (uint256 i = 0; i < given.length; ++i) sum += inner();
         }
         function c(uint256[] calldata given) external view returns (uint256 sum) {
           for (uint256 i = 0; i < given.length; ++i) sum += _held[msg.sender];
         }
         function d() external view returns (uint256 sum) {
           for (uint256 i = 0; i < _list.length; ++i) sum += i;
         }`,
      );
      assert.deepEqual(
        found.map((item) => item.split(" | ")[0]),
        ["Sample.a", "Sample.inner", "Sample.c", "Sample.d"],
      );
    });

    it("leaves alone elements that each round picks anew, constants and plain writes", () => {
      const found = find(
        "storage-read-in-loop",
        `function a(address[] calldata given) external view returns (uint256 sum) {
           for (uint256 i = 0; i < given.length; ++i) sum += _held[given[i]] * TEN;
         }
         function b(address[] calldata given) external {
           for (uint256 i = 0; i < given.length; ++i) _keeper = given[i];
         }`,
      );
      assert.deepEqual(found, []);
    });
  });

  it("unexplained: finds unchecked arithmetic and assembly without a reason above", () => {
    const found = find(
      "unexplained",
      `function a(uint256 x) external pure returns (uint256) { unchecked { return x + 1; } }
       function b() external pure { assembly { pop(0) } }
       function c(uint256 x) external pure returns (uint256) {
         // Safe: the sum wraps, which is what is wanted.
         unchecked { return x + 1; }
       }`,
    );
    assert.deepEqual(
      found.map((item) => item.split(" | ")[0]),
      ["Sample.a", "Sample.b"],
    );
  });

  it("find nothing in our contracts that has no answer, and nothing is answered that is not there", () => {
    const paths = globSync("contracts/**/*.sol", { cwd: root }).filter((path) => !path.startsWith("contracts/mocks/"));
    const program = readProgram(
      Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), "utf8")])),
    );
    const found = new Set(findAllFaults(program, (path) => paths.includes(path)).map(describeFinding));
    const answered = new Set(answers.flatMap(({ findings }) => findings));
    assert.deepEqual(
      {
        unanswered: [...found].filter((item) => !answered.has(item)),
        gone: [...answered].filter((item) => !found.has(item)),
      },
      { unanswered: [], gone: [] },
    );
    assert.ok(answers.every(({ reason }) => reason.length > 20));
  });
});
