import {
  ancestorOf,
  findAll,
  type Program,
  part,
  parts,
  type SourceFile,
  sourceOf,
  startOf,
  type TreeNode,
  text,
} from "./syntax-tree.ts";

/** A decision of the code, with the marks that it leaves where it is instrumented: one for each way that it can go. */
export interface Branch {
  readonly path: string;
  readonly line: number;
  readonly source: string;
  /** What the two ways are called: true and false, or done and caught. */
  readonly ways: readonly [on: string, off: string];
  /** Marks are this (off) and the next number (on). */
  readonly mark: number;
}

export interface Instrumented {
  readonly path: string;
  readonly text: string;
  readonly branches: readonly Branch[];
}

/** Where Hardhat listens: a call with a word of input counts as that word covered. */
const collector = "0xc0bEc0BEc0BeC0bEC0beC0bEC0bEC0beC0beC0BE";

/** In one line at the end of a file, so that no line of the file itself moves. */
const helpers = `function __mark(uint256 id) view { assembly ("memory-safe") { let word := mload(0x40) mstore(word, id) pop(staticcall(gas(), ${collector}, word, 32, 0, 0)) } } function __covered(bool value, uint256 id) pure returns (bool) { function(uint256) view seen = __mark; function(uint256) pure mark; assembly ("memory-safe") { mark := seen } mark(value ? id + 1 : id); return value; }\n`;

/**
 * Rewrites a file so that every decision tells which way it went: conditions of if, loops and `?:`, each side of `&&`
 * and `||`, what `require` asks, and both ends of a `try`. Hardhat's own coverage knows statements alone.
 */
export function instrumentBranches(program: Program, file: SourceFile, firstMark: number): Instrumented {
  const branches: Branch[] = [];
  const insertions: { at: number; depth: number; text: string; opens: boolean }[] = [];
  const name = (node: TreeNode, ways: Branch["ways"]) => {
    const mark = firstMark + 2 * branches.length;
    const line = file.bytes.subarray(0, startOf(node)).toString("utf8").split("\n").length;
    branches.push({ path: file.path, line, source: sourceOf(program, node).slice(0, 100), ways, mark });
    return mark;
  };
  for (const node of conditionsOf(program, file.tree)) {
    const mark = name(node, ["true", "false"]);
    const [start, length] = node.src.split(":").map(Number) as [number, number];
    insertions.push({ at: start, depth: length, text: "__covered(", opens: true });
    insertions.push({ at: start + length, depth: length, text: `, ${mark})`, opens: false });
  }
  for (const node of findAll(file.tree, "TryStatement")) {
    const mark = name(part(node, "externalCall") ?? node, ["done", "caught"]);
    for (const [index, clause] of parts(node, "clauses").entries()) {
      const block = part(clause, "block") ?? clause;
      insertions.push({ at: startOf(block) + 1, depth: 0, text: `__covered(${index === 0}, ${mark});`, opens: true });
    }
  }
  return { path: file.path, text: insert(file.bytes, insertions) + (branches.length > 0 ? helpers : ""), branches };
}

function conditionsOf(program: Program, tree: TreeNode): TreeNode[] {
  const found = new Set<TreeNode>();
  const add = (node: TreeNode | undefined) => {
    if (node !== undefined && node.nodeType !== "Literal") found.add(node);
  };
  for (const node of findAll(
    tree,
    "IfStatement",
    "ForStatement",
    "WhileStatement",
    "DoWhileStatement",
    "Conditional",
  )) {
    add(part(node, "condition"));
  }
  for (const node of findAll(tree, "BinaryOperation")) {
    if (!["&&", "||"].includes(text(node, "operator"))) continue;
    add(part(node, "leftExpression"));
    add(part(node, "rightExpression"));
  }
  for (const node of findAll(tree, "FunctionCall")) {
    const called = part(node, "expression");
    if (called?.nodeType === "Identifier" && ["require", "assert"].includes(text(called, "name"))) {
      add(parts(node, "arguments")[0]);
    }
  }
  return [...found].filter(
    (node) => ancestorOf(program, node, "FunctionDefinition", "ModifierDefinition") !== undefined,
  );
}

/** Where several meet, what closes comes first, the inner before the outer; then what opens, the outer first. */
function insert(
  bytes: Buffer,
  insertions: readonly { at: number; depth: number; text: string; opens: boolean }[],
): string {
  const sorted = insertions.toSorted(
    (left, right) =>
      left.at - right.at ||
      Number(left.opens) - Number(right.opens) ||
      (left.opens ? right.depth - left.depth : left.depth - right.depth),
  );
  let done = 0;
  let made = "";
  for (const { at, text } of sorted) {
    made += bytes.subarray(done, at).toString("utf8") + text;
    done = at;
  }
  return made + bytes.subarray(done).toString("utf8");
}
