import { ancestorOf, nameOf, type Program, sourceOf, type TreeNode } from "../syntax-tree.ts";

/** Something that a detector saw. Named by what stands there, never by a line, so that an answer outlives an edit above it. */
export interface Finding {
  readonly detector: string;
  /** `PaymentEscrow._payMembers` */
  readonly place: string;
  readonly what: string;
}

export type Detector = (program: Program, isOurs: (path: string) => boolean) => Finding[];

const MAXIMUM_SOURCE = 120;

export function findingAt(program: Program, detector: string, node: TreeNode, what = ""): Finding {
  const inside = ancestorOf(program, node, "FunctionDefinition", "ModifierDefinition");
  const contract = ancestorOf(program, node, "ContractDefinition");
  const place = [contract, inside].filter((item) => item !== undefined).map(nameOf);
  const source = sourceOf(program, node);
  const shown = source.length > MAXIMUM_SOURCE ? `${source.slice(0, MAXIMUM_SOURCE)}…` : source;
  return { detector, place: place.join("."), what: what === "" ? shown : `${shown} ${what}` };
}

export function describeFinding({ detector, place, what }: Finding): string {
  return `${detector} | ${place} | ${what}`;
}

/** Whether the node stands in a file that is judged: others (libraries from npm) are only followed. */
export function isIn(program: Program, node: TreeNode, isOurs: (path: string) => boolean): boolean {
  return isOurs(program.fileOf.get(node)?.path ?? "");
}

export function ourNodes(program: Program, isOurs: (path: string) => boolean): TreeNode[] {
  return program.files.filter(({ path }) => isOurs(path)).map(({ tree }) => tree);
}
