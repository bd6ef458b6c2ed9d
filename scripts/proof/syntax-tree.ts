import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** One node of the compiler's syntax tree. What a kind of node holds beside these is read through the functions below. */
export interface TreeNode {
  readonly id: number;
  readonly nodeType: string;
  /** Start, length and file number, in bytes. */
  readonly src: string;
  readonly [key: string]: unknown;
}

export interface SourceFile {
  readonly path: string;
  readonly bytes: Buffer;
  readonly tree: TreeNode;
}

/** All files of one compilation, with the nodes by id and each one's parent. */
export interface Program {
  readonly files: readonly SourceFile[];
  readonly nodes: ReadonlyMap<number, TreeNode>;
  readonly parents: ReadonlyMap<TreeNode, TreeNode>;
  readonly fileOf: ReadonlyMap<TreeNode, SourceFile>;
}

interface CompilerOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly sources?: Readonly<Record<string, { readonly ast: TreeNode }>>;
}

const require = createRequire(import.meta.url);
const root = join(import.meta.dirname, "../..");

/** Compiles as far as the tree, with types; no code is made. `sources` by path; imports come from the checkout. */
export function readProgram(sources: Readonly<Record<string, string>>): Program {
  const texts = new Map(Object.entries(sources));
  const findImport = (path: string) => {
    const text = readFileSync(join(root, path.startsWith("@") ? join("node_modules", path) : path), "utf8");
    texts.set(path, text);
    return { contents: text };
  };
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(sources).map(([path, content]) => [path, { content }])),
    settings: { evmVersion: "cancun", outputSelection: { "*": { "": ["ast"] } } },
  };
  const { compile } = require("solc") as { compile(text: string, callbacks: object): string };
  const output = JSON.parse(compile(JSON.stringify(input), { import: findImport })) as CompilerOutput;
  const faults = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (faults.length > 0) throw new Error(faults.map(({ formattedMessage }) => formattedMessage).join("\n"));
  const files = Object.entries(output.sources ?? {}).map(([path, { ast }]) => ({
    path,
    bytes: Buffer.from(texts.get(path) ?? ""),
    tree: ast,
  }));
  return index(files);
}

function index(files: readonly SourceFile[]): Program {
  const nodes = new Map<number, TreeNode>();
  const parents = new Map<TreeNode, TreeNode>();
  const fileOf = new Map<TreeNode, SourceFile>();
  for (const file of files) {
    walk(file.tree, (node, parent) => {
      // Nodes of assembly have no number.
      if (typeof node.id === "number") nodes.set(node.id, node);
      if (parent !== undefined) parents.set(node, parent);
      fileOf.set(node, file);
    });
  }
  return { files, nodes, parents, fileOf };
}

export function isNode(value: unknown): value is TreeNode {
  return typeof value === "object" && value !== null && typeof (value as TreeNode).nodeType === "string";
}

/** Direct children in the order of the text. */
export function childrenOf(node: TreeNode): TreeNode[] {
  const found = Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  );
  return found.toSorted((left, right) => startOf(left) - startOf(right));
}

export function walk(node: TreeNode, visit: (node: TreeNode, parent?: TreeNode) => void, parent?: TreeNode): void {
  visit(node, parent);
  for (const child of childrenOf(node)) walk(child, visit, node);
}

/** All nodes at and below one, of these kinds. */
export function findAll(node: TreeNode, ...kinds: string[]): TreeNode[] {
  const found: TreeNode[] = [];
  walk(node, (item) => {
    if (kinds.includes(item.nodeType)) found.push(item);
  });
  return found;
}

export function part(node: TreeNode | undefined, name: string): TreeNode | undefined {
  const value = node?.[name];
  return isNode(value) ? value : undefined;
}

export function parts(node: TreeNode | undefined, name: string): TreeNode[] {
  const value = node?.[name];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

export function text(node: TreeNode | undefined, name: string): string {
  const value = node?.[name];
  return typeof value === "string" ? value : "";
}

/** `t_function_barecall_payable$...`: the compiler's name of an expression's type. */
export function typeOf(node: TreeNode | undefined): string {
  const types = node?.typeDescriptions;
  const found = typeof types === "object" && types !== null ? (types as Record<string, unknown>).typeIdentifier : "";
  return typeof found === "string" ? found : "";
}

export function declarationOf(program: Program, node: TreeNode | undefined): TreeNode | undefined {
  const id = node?.referencedDeclaration;
  return typeof id === "number" ? program.nodes.get(id) : undefined;
}

export function startOf(node: TreeNode): number {
  return Number(node.src.split(":")[0]);
}

/** The node's own text, in one line. */
export function sourceOf(program: Program, node: TreeNode): string {
  const [start, length] = node.src.split(":").map(Number) as [number, number];
  const bytes = program.fileOf.get(node)?.bytes.subarray(start, start + length) ?? Buffer.alloc(0);
  return bytes.toString("utf8").replaceAll(/\s+/g, " ");
}

export function ancestorOf(program: Program, node: TreeNode, ...kinds: string[]): TreeNode | undefined {
  let found = program.parents.get(node);
  while (found !== undefined && !kinds.includes(found.nodeType)) found = program.parents.get(found);
  return found;
}

/** What a function is called where it stands: constructors and the like have no name of their own. */
export function nameOf(node: TreeNode | undefined): string {
  return text(node, "name") || text(node, "kind") || (node?.nodeType ?? "");
}
