import { hashCanonical } from "../protocol/canonical.ts";
import type { Address, Hex } from "../protocol/hex.ts";
import type { Primitive } from "../protocol/job.ts";
import { merkleProof, merkleRoot, verifyMerkleProof } from "../protocol/merkle.ts";
import type { Candidate } from "./candidate.ts";
import { primitives } from "./candidate.ts";
import { MAX_TABLE_ROWS, MAX_WEIGHT, SelectionError, type SelectionParameters } from "./parameters.ts";

/** All that a balancer knew at one heartbeat, in the order of addresses, under one root. */
export interface CandidateTable {
  readonly rows: readonly Candidate[];
  readonly root: Hex;
  readonly leaves: readonly Hex[];
  /** Row number of each node. */
  readonly indexOf: ReadonlyMap<Address, number>;
  /** Capacity that the operator's stake backs, per primitive and row: what one node uses, its sisters do not have. */
  readonly backed: Readonly<Record<Primitive, Float64Array>>;
}

/** One row with the proof that it stands in a table. */
export interface CandidateLeaf {
  readonly row: Candidate;
  readonly index: number;
  readonly proof: readonly Hex[];
}

const leafHashes = new WeakMap<Candidate, { index: number; hash: Hex }>();

/** The canonical hash of `{index, row}`. A row that did not change keeps its hash. */
export function hashCandidate(row: Candidate, index: number): Hex {
  const held = leafHashes.get(row);
  if (held !== undefined && held.index === index) return held.hash;
  const hash = hashCanonical("leat.candidate.1", { index, row });
  if (Object.isFrozen(row)) leafHashes.set(row, { index, hash });
  return hash;
}

/** Sorts, checks and hashes once per heartbeat, so that a decision reads numbers only. */
export function createTable(candidates: readonly Candidate[], parameters: SelectionParameters): CandidateTable {
  if (candidates.length > MAX_TABLE_ROWS) {
    throw new SelectionError({
      code: "SELECTION_TABLE_TOO_LARGE",
      rows: candidates.length,
      maxRows: MAX_TABLE_ROWS,
    });
  }
  const rows = [...candidates].sort((left, right) => (left.node < right.node ? -1 : left.node > right.node ? 1 : 0));
  const indexOf = new Map<Address, number>();
  rows.forEach((row, index) => {
    if (indexOf.has(row.node)) throw new SelectionError({ code: "SELECTION_ROW_TWICE", node: row.node });
    indexOf.set(row.node, index);
  });
  const leaves = rows.map(hashCandidate);
  return { rows, leaves, root: merkleRoot(leaves), indexOf, backed: backCapacity(rows, parameters) };
}

export function proveCandidate(table: CandidateTable, node: Address): CandidateLeaf | undefined {
  const index = table.indexOf.get(node);
  if (index === undefined) return undefined;
  return { row: table.rows[index]!, index, proof: merkleProof(table.leaves, index) };
}

export function verifyCandidate(root: Hex, leaf: CandidateLeaf): boolean {
  return verifyMerkleProof(root, hashCandidate({ ...leaf.row }, leaf.index), leaf.proof);
}

/**
 * An operator's stake backs its nodes one after the other, each up to what it has free, so that more nodes behind the
 * same stake weigh no more than one. Example: stake for 100, nodes with 80 and 50 free: 80 and 20 are backed. Where no
 * stake is asked for, none backs: such a cluster admits its members by approval.
 */
function backCapacity(
  rows: readonly Candidate[],
  parameters: SelectionParameters,
): Readonly<Record<Primitive, Float64Array>> {
  const backed = {} as Record<Primitive, Float64Array>;
  for (const primitive of primitives) {
    const column = new Float64Array(rows.length);
    const left = new Map<Address, number>();
    const perToken = BigInt(parameters.capacityPerToken[primitive]);
    rows.forEach((row, index) => {
      if (!row.primitives.includes(primitive)) return;
      const rest = left.get(row.operator) ?? capWeight((row.stake * perToken) / 10n ** 18n);
      const free = Math.min(row.free[primitive], MAX_WEIGHT);
      if (parameters.minimumStake === 0n) {
        column[index] = free;
        return;
      }
      column[index] = Math.min(free, rest);
      left.set(row.operator, rest - column[index]!);
    });
    backed[primitive] = column;
  }
  return backed;
}

function capWeight(weight: bigint): number {
  return weight > BigInt(MAX_WEIGHT) ? MAX_WEIGHT : Number(weight);
}
