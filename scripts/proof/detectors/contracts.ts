import { declarationOf, nameOf, type Program, part, parts, type TreeNode, text } from "../syntax-tree.ts";
import { ourNodes } from "./finding.ts";

/** Contracts that hold code, abstract ones included: what stands in a base is judged where it can be called. */
export function contractsOf(program: Program, isOurs: (path: string) => boolean): TreeNode[] {
  return ourNodes(program, isOurs)
    .flatMap((tree) => parts(tree, "nodes"))
    .filter((node) => node.nodeType === "ContractDefinition" && text(node, "contractKind") === "contract");
}

/** The contract and its bases, the most derived first. */
export function linesOf(program: Program, contract: TreeNode): TreeNode[] {
  const ids = Array.isArray(contract.linearizedBaseContracts) ? contract.linearizedBaseContracts : [];
  return ids.flatMap((id) => program.nodes.get(Number(id)) ?? []);
}

/** What anybody can call and may change state: of each name and parameters only the most derived. */
export function entryPointsOf(program: Program, contract: TreeNode): TreeNode[] {
  const found = new Map<string, TreeNode>();
  for (const line of linesOf(program, contract)) {
    for (const node of parts(line, "nodes")) {
      if (node.nodeType !== "FunctionDefinition" || part(node, "body") === undefined) continue;
      const isOpen = ["external", "public"].includes(text(node, "visibility"));
      const mayWrite = !["view", "pure"].includes(text(node, "stateMutability"));
      const key = text(node, "functionSelector") || nameOf(node);
      if (isOpen && mayWrite && text(node, "kind") !== "constructor" && !found.has(key)) found.set(key, node);
    }
  }
  return [...found.values()];
}

export function modifiersOf(program: Program, entry: TreeNode): TreeNode[] {
  return parts(entry, "modifiers").flatMap((use) => declarationOf(program, part(use, "modifierName")) ?? []);
}

/** The body that runs when `declared` is called in `contract`: an override further down takes its place. */
export function resolve(program: Program, contract: TreeNode, declared: TreeNode): TreeNode {
  for (const line of linesOf(program, contract)) {
    for (const node of parts(line, "nodes")) {
      if (node === declared) return node;
      if (node.nodeType !== declared.nodeType || nameOf(node) !== nameOf(declared)) continue;
      const overridden = Array.isArray(node.baseFunctions) ? node.baseFunctions : [];
      if (overridden.includes(declared.id)) return node;
    }
  }
  return declared;
}
