import { ancestorOf, findAll, type Program, part, parts, type TreeNode, typeOf } from "../syntax-tree.ts";
import { type Detector, type Finding, findingAt, ourNodes } from "./finding.ts";

const lowLevel = /^t_function_(barecall|baredelegatecall|barestaticcall|barecallcode|send)_/;

/**
 * Answers of calls that nobody looks at: the success of a low-level call, a returned value (of any call), a failure that
 * a `catch` swallows.
 */
export const findUncheckedCalls: Detector = (program, isOurs) => {
  const findings: Finding[] = [];
  const report = (node: TreeNode, what: string) => findings.push(findingAt(program, "unchecked-call", node, what));
  for (const tree of ourNodes(program, isOurs)) {
    for (const call of findAll(tree, "FunctionCall")) {
      if (text(call, "kind") !== "functionCall") continue;
      const type = typeOf(part(call, "expression"));
      const statement = program.parents.get(call);
      if (lowLevel.test(type)) {
        if (!isSuccessRead(program, call)) report(call, "(success is not read)");
      } else if (statement?.nodeType === "ExpressionStatement") {
        if (typeOf(call) !== "t_tuple$__$") report(call, "(answer is dropped)");
      } else if (dropsPart(statement)) {
        report(call, "(part of the answer is dropped)");
      }
    }
    for (const clause of findAll(tree, "TryCatchClause")) {
      const isCatch = program.parents.get(clause)?.nodeType === "TryStatement" && !isFirstClause(program, clause);
      if (isCatch && parts(part(clause, "block"), "statements").length === 0) {
        const tried = part(program.parents.get(clause), "externalCall");
        report(tried ?? clause, "(failure is swallowed)");
      }
    }
  }
  return findings;
};

function text(node: TreeNode, name: string): string {
  return String(node[name] ?? "");
}

function isFirstClause(program: Program, clause: TreeNode): boolean {
  return parts(program.parents.get(clause), "clauses")[0] === clause;
}

/** `(address signer,,) = f()` leaves holes, which stand as null. */
function dropsPart(statement: TreeNode | undefined): boolean {
  if (statement?.nodeType === "VariableDeclarationStatement") return hasHole(statement.declarations);
  if (statement?.nodeType !== "Assignment") return false;
  const left = part(statement, "leftHandSide");
  return left?.nodeType === "TupleExpression" && hasHole(left.components);
}

function hasHole(items: unknown): boolean {
  return Array.isArray(items) && items.includes(null);
}

function isSuccessRead(program: Program, call: TreeNode): boolean {
  let parent = program.parents.get(call);
  if (parent?.nodeType === "FunctionCallOptions") parent = program.parents.get(parent);
  if (parent?.nodeType === "ExpressionStatement") return false;
  if (parent?.nodeType === "Assignment") {
    const left = part(parent, "leftHandSide");
    return left?.nodeType !== "TupleExpression" || (left.components as unknown[])[0] !== null;
  }
  if (parent?.nodeType !== "VariableDeclarationStatement") return true;
  const success = (parent.declarations as (TreeNode | null)[])[0];
  if (success == null) return false;
  const body = ancestorOf(program, call, "FunctionDefinition", "ModifierDefinition");
  return body !== undefined && findAll(body, "Identifier").some((item) => item.referencedDeclaration === success.id);
}
