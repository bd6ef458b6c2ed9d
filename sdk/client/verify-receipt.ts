import { isCodedError } from "../base/errors.ts";
import { type Domain, hashStatement, type Structure, valueFromJson } from "../protocol/eip712.ts";
import { type Address, type Hex, isHex } from "../protocol/hex.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "../protocol/merkle.ts";
import { proofOf, type ReceiptKind, type ReceiptProof } from "../protocol/receipt-proof.ts";
import {
  type CheckResult,
  checkResultStructure,
  checkVerdicts,
  type Receipt,
  receiptStructure,
} from "../protocol/signed.ts";
import { nobleStatements, type Signed } from "../protocol/statements.ts";
import type { AsText, ReceiptInfo } from "./actions/streams.ts";

/** What of a receipt does not hold. */
export type ReceiptFault =
  | "RECEIPT_UNREADABLE"
  | "RECEIPT_OTHER"
  | "RECEIPT_NODE_UNKNOWN"
  | "RECEIPT_PARTS_WRONG"
  | "RECEIPT_REPEATED"
  | "CHECK_UNREADABLE"
  | "CHECK_OTHER"
  | "CHECK_SIGNER_WRONG"
  | "RECEIPT_PROOF_WRONG";

/** What a receipt comes to by its signatures. */
export interface VerifiedReceipt {
  readonly kind: ReceiptKind;
  readonly hash: Hex;
  readonly receipt: Receipt;
  /** Who signed it. */
  readonly node: Address;
  readonly proof: ReceiptProof;
  /** Who signed the checks that the proof is made of. */
  readonly checkers: readonly Address[];
  readonly faults: readonly ReceiptFault[];
}

/** What is known beside the receipts. */
export interface ReceiptContext {
  /** That of the network's escrow. */
  readonly domain: Domain;
  /** Nodes that took the stream in: they check what others made of it. */
  readonly origins: ReadonlySet<Address>;
  /** Whether the stream has an attempt of this kind at this node. */
  readonly isAttempt: (work: Pick<VerifiedReceipt, "receipt" | "node" | "kind">) => boolean;
  /** Whether a node key is an operator's, by the chain. */
  readonly isNode: (node: Address) => Promise<boolean>;
  /** Whether a key signs for the stream's buyer, by the chain: its account, or one that this allotted. */
  readonly isBuyers: (signer: Address) => Promise<boolean>;
}

/**
 * Holds a receipt that a cluster shows against what was signed: by a node that the chain knows, of the parts that are
 * listed, and checked by whoever may. Which attempts are the stream's, and who took it in, is the cluster's word, as is
 * what they cost. Without `receipt` and all else where it cannot be read.
 */
export async function verifyReceipt(
  shown: ReceiptInfo,
  context: ReceiptContext,
): Promise<VerifiedReceipt | { readonly faults: readonly ["RECEIPT_UNREADABLE"] }> {
  const { domain } = context;
  const signed = readSigned(receiptStructure, domain, shown?.receipt);
  if (signed === undefined || !kinds.has(shown.kind)) return { faults: ["RECEIPT_UNREADABLE"] };
  const { value: receipt, signer: node } = signed;
  const hash = hashStatement(receiptStructure, domain, receipt);
  const work = { receipt, hash, node, kind: shown.kind };
  const faults = new Set<ReceiptFault>();
  const isSaid = hash === shown.hash && node === shown.node && isOf(receipt, shown);
  if (!isSaid || !context.isAttempt(work)) faults.add("RECEIPT_OTHER");
  if (!(await context.isNode(node))) faults.add("RECEIPT_NODE_UNKNOWN");
  if (!areParts(shown.leaves, receipt)) faults.add("RECEIPT_PARTS_WRONG");
  const passed: (Pick<CheckResult, "verdict" | "receiptHash"> & { readonly signer: Address })[] = [];
  for (const shownCheck of listOf(shown.checks)) {
    const check = readSigned(checkResultStructure, domain, shownCheck.statement);
    const fault = check === undefined ? "CHECK_UNREADABLE" : await findCheckFault(check, work, context);
    if (fault !== undefined) faults.add(fault);
    else if (check !== undefined) passed.push({ ...check.value, signer: check.signer });
  }
  const proof = proofOf(work.kind, hash, passed);
  if (proof !== shown.proof) faults.add("RECEIPT_PROOF_WRONG");
  const deciding = passed.filter(({ verdict }) => verdict !== checkVerdicts.unproven);
  return { ...work, proof, checkers: [...new Set(deciding.map(({ signer }) => signer))], faults: [...faults] };
}

const kinds: ReadonlySet<string> = new Set<ReceiptKind>(["ingest", "transcode", "delivery"]);

async function findCheckFault(
  { value, signer }: { readonly value: CheckResult; readonly signer: Address },
  { receipt, hash, node, kind }: Pick<VerifiedReceipt, "receipt" | "hash" | "node" | "kind">,
  { origins, isBuyers }: ReceiptContext,
): Promise<ReceiptFault | undefined> {
  if (!isOf(value, receipt) || (kind === "transcode" && value.receiptHash !== hash)) return "CHECK_OTHER";
  const mayCheck = kind === "transcode" ? origins.has(signer) && signer !== node : await isBuyers(signer);
  return mayCheck ? undefined : "CHECK_SIGNER_WRONG";
}

interface Work {
  readonly job: string;
  readonly attempt: number;
  readonly seq: bigint | number;
}

function isOf(one: Work, other: Work): boolean {
  return one.job === other.job && one.attempt === other.attempt && `${one.seq}` === `${other.seq}`;
}

function areParts(leaves: readonly AsText<PartLeaf>[], { outputRoot, sizeBytes }: Receipt): boolean {
  try {
    const list = listOf(leaves);
    if (!list.every(({ sha256 }) => isHex(sha256, 32))) return false;
    const parts = list.map((leaf) => ({
      ...leaf,
      pixels: readUnsigned(leaf.pixels),
      sizeBytes: readUnsigned(leaf.sizeBytes),
    }));
    const sum = parts.reduce((bytes, part) => bytes + part.sizeBytes, 0n);
    return sum === sizeBytes && merkleRoot(parts.map(hashPartLeaf)) === outputRoot;
  } catch (error) {
    if (isCodedError(error)) return false;
    throw error;
  }
}

/** A cluster may answer anything. */
function listOf<T>(list: readonly T[]): readonly T[] {
  return Array.isArray(list) ? list.filter((one) => typeof one === "object" && one !== null) : [];
}

/** -1, which no leaf takes, for what is none. */
function readUnsigned(text: string): bigint {
  return /^[0-9]{1,20}$/.test(text) ? BigInt(text) : -1n;
}

/** Undefined for what cannot be read, or nobody signed. */
function readSigned<T>(structure: Structure<T>, domain: Domain, signed: Signed<AsText<T>> | undefined) {
  try {
    const value = valueFromJson(structure, signed?.value);
    return { value, signer: nobleStatements.recoverSigner(structure, domain, value, signed?.signature ?? "0x") };
  } catch (error) {
    if (isCodedError(error)) return undefined;
    throw error;
  }
}
