import {
  childrenOf,
  declarationOf,
  nameOf,
  type Program,
  part,
  parts,
  sourceOf,
  type TreeNode,
  text,
  typeOf,
} from "../syntax-tree.ts";
import { modifiersOf, resolve } from "./contracts.ts";

export interface LateWrite {
  readonly node: TreeNode;
  readonly variable: string;
  /** The call after which it stands. */
  readonly call: string;
}

export interface Effects {
  readonly lateWrites: readonly LateWrite[];
  /** Names of the state variables that are read or written. */
  readonly touched: ReadonlySet<string>;
}

/** The last call of foreign code on the way here; none yet; or nothing comes here. */
type Reached = { readonly call: string | undefined } | "never";

const barecall = /^t_function_(barecall|baredelegatecall|barecallcode|send|transfer|creation)_/;
const yulCalls = ["call", "callcode", "delegatecall", "create", "create2"];

/** Follows a function through all that it calls inside its contract, path by path. */
export function followEffects(program: Program, contract: TreeNode, entry: TreeNode): Effects {
  const follower = new Follower(program, contract);
  follower.run(entry);
  return { lateWrites: [...follower.lateWrites.values()], touched: follower.touched };
}

class Follower {
  readonly lateWrites = new Map<string, LateWrite>();
  readonly touched = new Set<string>();
  readonly #program: Program;
  readonly #contract: TreeNode;
  /** What is being followed or was, with the state that it was entered in: loops and repeated calls end here. */
  readonly #entered = new Map<string, Reached>();

  constructor(program: Program, contract: TreeNode) {
    this.#program = program;
    this.#contract = contract;
  }

  run(entry: TreeNode): void {
    this.#function(entry, { call: undefined });
  }

  /** Modifiers first, as if the body stood where their underscore is; what follows it counts as part of them. */
  #function(declared: TreeNode, state: Reached): Reached {
    if (state === "never") return state;
    const node = resolve(this.#program, this.#contract, declared);
    const key = `${node.id} ${state.call ?? ""}`;
    const known = this.#entered.get(key);
    if (known !== undefined) return known;
    this.#entered.set(key, state);
    let reached: Reached = state;
    for (const modifier of modifiersOf(this.#program, node)) reached = this.#visit(part(modifier, "body"), reached);
    reached = this.#visit(part(node, "body"), reached);
    // A return ends the function, not its caller.
    const after = reached === "never" ? { call: this.#last ?? state.call } : reached;
    this.#entered.set(key, after);
    return after;
  }

  #last: string | undefined;

  #visit(node: TreeNode | undefined, state: Reached): Reached {
    if (node === undefined || state === "never") return state;
    switch (node.nodeType) {
      case "IfStatement": {
        const before = this.#visit(part(node, "condition"), state);
        const left = this.#visit(part(node, "trueBody"), before);
        return join(left, this.#visit(part(node, "falseBody"), before));
      }
      case "Conditional": {
        const before = this.#visit(part(node, "condition"), state);
        const left = this.#visit(part(node, "trueExpression"), before);
        return join(left, this.#visit(part(node, "falseExpression"), before));
      }
      case "ForStatement":
      case "WhileStatement":
      case "DoWhileStatement": {
        // Twice: what comes late in one round comes before the next.
        const once = this.#children(node, state);
        return join(state, this.#children(node, join(state, once)));
      }
      case "TryStatement": {
        const before = this.#visit(part(node, "externalCall"), state);
        return parts(node, "clauses")
          .map((clause) => this.#visit(clause, before))
          .reduce(join);
      }
      case "Return": {
        const reached = this.#children(node, state);
        if (reached !== "never" && reached.call !== undefined) this.#last = reached.call;
        return "never";
      }
      case "RevertStatement":
        return "never";
      case "FunctionCall":
        return this.#call(node, state);
      case "Assignment":
        return this.#write(part(node, "leftHandSide"), node, this.#children(node, state));
      case "UnaryOperation":
        return ["++", "--", "delete"].includes(text(node, "operator"))
          ? this.#write(part(node, "subExpression"), node, this.#children(node, state))
          : this.#children(node, state);
      case "Identifier":
        this.#touch(node);
        return state;
      case "YulFunctionCall": {
        const reached = this.#children(node, state);
        const called = text(part(node, "functionName"), "name");
        return yulCalls.includes(called) ? { call: `assembly ${called}` } : reached;
      }
      default:
        return this.#children(node, state);
    }
  }

  #children(node: TreeNode, state: Reached): Reached {
    let reached = state;
    for (const child of childrenOf(node)) reached = this.#visit(child, reached);
    return reached;
  }

  #call(node: TreeNode, state: Reached): Reached {
    const callee = part(node, "expression");
    let reached = this.#children(node, state);
    const bare = callee?.nodeType === "FunctionCallOptions" ? part(callee, "expression") : callee;
    const type = typeOf(callee);
    if (text(node, "kind") !== "functionCall" || reached === "never") return reached;
    if (barecall.test(type)) return this.#foreign(node);
    if (/^t_function_(external|delegatecall)_/.test(type)) {
      // A static call cannot write, here or elsewhere.
      return /^t_function_(external|delegatecall)_(view|pure)/.test(type) ? reached : this.#foreign(node);
    }
    if (/^t_function_revert/.test(type)) return "never";
    const declared = declarationOf(this.#program, bare);
    if (declared?.nodeType === "FunctionDefinition") reached = this.#function(declared, reached);
    // `list.push()` and `pop` write what they stand on.
    if (/^t_function_array(push|pop)/.test(type)) reached = this.#write(part(bare, "expression"), node, reached);
    return reached;
  }

  #foreign(node: TreeNode): Reached {
    return { call: sourceOf(this.#program, part(node, "expression") ?? node).slice(0, 60) };
  }

  #write(target: TreeNode | undefined, node: TreeNode, state: Reached): Reached {
    if (state === "never") return state;
    for (const variable of this.#variablesOf(target)) {
      this.touched.add(variable);
      if (state.call === undefined) continue;
      this.lateWrites.set(`${node.src} ${variable}`, { node, variable, call: state.call });
    }
    return state;
  }

  #touch(node: TreeNode): void {
    for (const variable of this.#variablesOf(node)) this.touched.add(variable);
  }

  /** Which state a target stands in: named itself, or through a reference of storage by its type. */
  #variablesOf(target: TreeNode | undefined): string[] {
    if (target === undefined) return [];
    if (target.nodeType === "TupleExpression") {
      return parts(target, "components").flatMap((item) => this.#variablesOf(item));
    }
    const base = baseOf(target);
    const declared = declarationOf(this.#program, base);
    if (declared?.nodeType !== "VariableDeclaration") return [];
    if (declared.stateVariable === true) {
      const isFixed = declared.constant === true || text(declared, "mutability") === "immutable";
      return isFixed ? [] : [stateName(this.#program, declared)];
    }
    const isReference = text(declared, "storageLocation") === "storage" && base !== target;
    return isReference ? [typeOf(declared).replace(/^t_struct\$_(\w+)_\$.*$/, "struct $1")] : [];
  }
}

function join(left: Reached, right: Reached): Reached {
  if (left === "never") return right;
  if (right === "never") return left;
  return left.call === undefined ? right : left;
}

function baseOf(target: TreeNode): TreeNode {
  const inner =
    target.nodeType === "IndexAccess"
      ? part(target, "baseExpression")
      : target.nodeType === "MemberAccess"
        ? part(target, "expression")
        : undefined;
  return inner === undefined ? target : baseOf(inner);
}

/** A mapping or array of structs is named by the struct, so that a reference and the variable meet under one name. */
function stateName(program: Program, declared: TreeNode): string {
  const struct = /struct\$_(\w+?)_\$\d+_storage/.exec(typeOf(declared))?.[1];
  return struct === undefined ? `${nameOf(program.parents.get(declared))}.${nameOf(declared)}` : `struct ${struct}`;
}
