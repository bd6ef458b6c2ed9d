import {
  declarationOf,
  findAll,
  nameOf,
  type Program,
  part,
  parts,
  sourceOf,
  type TreeNode,
  text,
  typeOf,
} from "../syntax-tree.ts";
import { contractsOf, resolve } from "./contracts.ts";
import { type Detector, type Finding, findingAt, isIn, ourNodes } from "./finding.ts";

const loops = ["ForStatement", "WhileStatement", "DoWhileStatement"];

/** Loops whose rounds the caller's own input does not bound: state could grow until nobody can pay for them. */
export const findUnboundedLoops: Detector = (program, isOurs) =>
  ourNodes(program, isOurs).flatMap((tree) =>
    findAll(tree, ...loops)
      .filter((loop) => !isBounded(program, loop))
      .map((loop) => findingAt(program, "unbounded-loop", part(loop, "condition") ?? loop)),
  );

function isBounded(program: Program, loop: TreeNode): boolean {
  const condition = part(loop, "condition");
  if (condition?.nodeType !== "BinaryOperation" || !["<", "<=", "!="].includes(text(condition, "operator")))
    return false;
  return isBound(program, part(condition, "rightExpression"));
}

/** A number written there, a constant, or the length of what the caller brought or of a copy as long as that. */
function isBound(program: Program, bound: TreeNode | undefined): boolean {
  if (bound?.nodeType === "Literal") return true;
  const declared = declarationOf(program, bound);
  if (declared?.constant === true) return true;
  if (bound?.nodeType !== "MemberAccess" || text(bound, "memberName") !== "length") return false;
  const list = part(bound, "expression");
  if (typeOf(list).includes("_calldata_ptr")) return true;
  const made = declarationOf(program, list);
  const statement = made === undefined ? undefined : program.parents.get(made);
  const value = statement?.nodeType === "VariableDeclarationStatement" ? part(statement, "initialValue") : undefined;
  return value?.nodeType === "FunctionCall" && isNewOfBound(program, value);
}

function isNewOfBound(program: Program, call: TreeNode): boolean {
  return part(call, "expression")?.nodeType === "NewExpression" && isBound(program, parts(call, "arguments")[0]);
}

/**
 * State that every round reads again though no round changes which: in the loop itself, or as a whole variable in what
 * it calls.
 */
export const findStorageReadsInLoops: Detector = (program, isOurs) => {
  const findings = new Map<string, Finding>();
  const report = (node: TreeNode, what: string) => {
    const finding = findingAt(program, "storage-read-in-loop", node, what);
    findings.set(`${finding.place} ${finding.what}`, finding);
  };
  for (const contract of contractsOf(program, isOurs)) {
    for (const loop of findAll(contract, ...loops)) {
      const changing = changedIn(program, loop);
      for (const read of readsIn(program, loop, changing)) report(read, "(in the loop)");
      for (const called of calledIn(program, contract, loop)) {
        for (const read of readsIn(program, called, undefined)) {
          const round = part(loop, "condition");
          if (isIn(program, read, isOurs)) {
            report(
              read,
              `(in every round of ${round === undefined ? "a loop" : sourceOf(program, round)} in ${functionOf(program, loop)})`,
            );
          }
        }
      }
    }
  }
  return [...findings.values()];
};

function functionOf(program: Program, node: TreeNode): string {
  let found: TreeNode | undefined = node;
  while (found !== undefined && found.nodeType !== "FunctionDefinition") found = program.parents.get(found);
  return nameOf(found);
}

/** Local variables that the loop gives values. */
function changedIn(program: Program, loop: TreeNode): Set<number> {
  const changed = new Set<number>();
  for (const declared of findAll(loop, "VariableDeclaration")) changed.add(declared.id);
  for (const node of findAll(loop, "Assignment", "UnaryOperation")) {
    const target =
      part(node, "leftHandSide") ?? (text(node, "operator").length === 2 ? part(node, "subExpression") : undefined);
    for (const item of target === undefined ? [] : findAll(target, "Identifier")) {
      const declared = declarationOf(program, item);
      if (declared !== undefined) changed.add(declared.id);
    }
  }
  return changed;
}

/**
 * Reads of state below a node. With `changing` (in the loop itself) also those of an element, where nothing that picks it
 * changes; without (in a called function, whose parameters do change) only whole variables.
 */
function readsIn(program: Program, node: TreeNode, changing: ReadonlySet<number> | undefined): TreeNode[] {
  return findAll(node, "Identifier").flatMap((item) => {
    const declared = declarationOf(program, item);
    if (declared?.stateVariable !== true || declared.constant === true) return [];
    if (text(declared, "mutability") === "immutable") return [];
    const whole = wholeAccess(program, item);
    if (isWritten(program, whole)) return [];
    const isElement = /^t_(mapping|array)/.test(typeOf(item)) && whole !== item;
    if (!isElement) return /^t_mapping/.test(typeOf(item)) ? [] : [whole];
    if (changing === undefined) return text(whole, "memberName") === "length" ? [whole] : [];
    const isSame = findAll(whole, "Identifier").every(({ referencedDeclaration: id }) => !changing.has(Number(id)));
    return isSame ? [whole] : [];
  });
}

function wholeAccess(program: Program, node: TreeNode): TreeNode {
  const parent = program.parents.get(node);
  const isBase = part(parent, "baseExpression") === node || part(parent, "expression") === node;
  const goesOn = parent?.nodeType === "IndexAccess" || (parent?.nodeType === "MemberAccess" && isBase);
  return goesOn && isBase && parent !== undefined ? wholeAccess(program, parent) : node;
}

/** Only given a value: `x = 1` reads nothing, `x += 1` does. */
function isWritten(program: Program, node: TreeNode): boolean {
  const parent = program.parents.get(node);
  return part(parent, "leftHandSide") === node && text(parent, "operator") === "=";
}

/** Every function that a round runs inside the contract. */
function calledIn(program: Program, contract: TreeNode, node: TreeNode, seen = new Set<TreeNode>()): Set<TreeNode> {
  for (const call of findAll(node, "FunctionCall")) {
    const declared = declarationOf(program, part(call, "expression"));
    if (declared?.nodeType !== "FunctionDefinition") continue;
    if (/^t_function_(external|delegatecall)_/.test(typeOf(part(call, "expression")))) continue;
    const body = resolve(program, contract, declared);
    if (seen.has(body)) continue;
    seen.add(body);
    calledIn(program, contract, body, seen);
  }
  return seen;
}
