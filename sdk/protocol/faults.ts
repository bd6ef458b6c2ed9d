import { CodedError, isCodedError } from "../base/errors.ts";
import { type Domain, hashStatement, valueFromJson, valueToJson } from "./eip712.ts";
import { type Address, type Hex, isHex } from "./hex.ts";
import { type Receipt, receiptStructure } from "./signed.ts";
import type { Signed, Statements } from "./statements.ts";

/** What proves an equivocation: two receipts of one key for one job, segment and attempt that say different things. */
export interface Equivocation {
  readonly first: Signed<Receipt>;
  readonly second: Signed<Receipt>;
}

/** What a proof shows, by the same rules as the contract `Faults`. */
export interface EquivocationFacts {
  readonly node: Address;
  readonly job: Hex;
  readonly seq: bigint;
  readonly attempt: number;
  readonly firstHash: Hex;
  readonly secondHash: Hex;
}

export class FaultError extends CodedError<
  | { code: "FAULT_RECEIPTS_SAME"; receiptHash: Hex }
  | { code: "FAULT_RECEIPTS_UNRELATED" }
  | { code: "FAULT_SIGNERS_DIFFER"; first: Address; second: Address }
  | { code: "FAULT_SIGNATURE_INVALID" }
  | { code: "FAULT_FILE_INVALID"; field: string }
> {}

type Recover = Pick<Statements, "recoverSigner">;

/** @throws a FaultError where the pair proves nothing. */
export function checkEquivocation(statements: Recover, domain: Domain, pair: Equivocation): EquivocationFacts {
  const { first, second } = pair;
  const { job, seq, attempt } = first.value;
  if (job !== second.value.job || seq !== second.value.seq || attempt !== second.value.attempt) {
    throw new FaultError({ code: "FAULT_RECEIPTS_UNRELATED" });
  }
  const firstHash = hashStatement(receiptStructure, domain, first.value);
  const secondHash = hashStatement(receiptStructure, domain, second.value);
  if (firstHash === secondHash) throw new FaultError({ code: "FAULT_RECEIPTS_SAME", receiptHash: firstHash });
  const node = recover(statements, domain, first);
  const other = recover(statements, domain, second);
  if (node !== other) throw new FaultError({ code: "FAULT_SIGNERS_DIFFER", first: node, second: other });
  return { node, job, seq, attempt, firstHash, secondHash };
}

/** The first pair among receipts that could be slashed, or undefined. Receipts that nobody signed prove nothing. */
export function findEquivocation(
  statements: Recover,
  domain: Domain,
  receipts: Iterable<Signed<Receipt>>,
): (Equivocation & { readonly facts: EquivocationFacts }) | undefined {
  const held = new Map<string, Signed<Receipt>[]>();
  for (const second of receipts) {
    const { job, seq, attempt } = second.value;
    const key = `${job}/${seq}/${attempt}`;
    const others = held.get(key) ?? [];
    for (const first of others) {
      try {
        return { first, second, facts: checkEquivocation(statements, domain, { first, second }) };
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
      }
    }
    held.set(key, [...others, second]);
  }
  return undefined;
}

/** The file that `leat fault` reads and a node keeps. */
export function equivocationToJson({ first, second }: Equivocation): unknown {
  return { fault: "equivocation", first: signedToJson(first), second: signedToJson(second) };
}

/** @throws FAULT_FILE_INVALID */
export function equivocationFromJson(json: unknown): Equivocation {
  const source = objectOf(json, "");
  if (source.fault !== "equivocation") throw new FaultError({ code: "FAULT_FILE_INVALID", field: "fault" });
  return { first: signedFromJson(source.first, "first"), second: signedFromJson(source.second, "second") };
}

function signedToJson({ value, signature }: Signed<Receipt>): unknown {
  return { value: valueToJson(receiptStructure, value), signature };
}

function signedFromJson(json: unknown, field: string): Signed<Receipt> {
  const { value, signature } = objectOf(json, field);
  if (!isHex(signature, 64) && !isHex(signature, 65)) {
    throw new FaultError({ code: "FAULT_FILE_INVALID", field: `${field}.signature` });
  }
  try {
    return { value: valueFromJson(receiptStructure, value), signature };
  } catch (cause) {
    if (!isCodedError(cause)) throw cause;
    throw new FaultError({ code: "FAULT_FILE_INVALID", field: `${field}.value` }, { cause });
  }
}

function objectOf(json: unknown, field: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null) throw new FaultError({ code: "FAULT_FILE_INVALID", field });
  return json as Record<string, unknown>;
}

function recover(statements: Recover, domain: Domain, { value, signature }: Signed<Receipt>): Address {
  try {
    return statements.recoverSigner(receiptStructure, domain, value, signature);
  } catch (cause) {
    if (!isCodedError(cause)) throw cause;
    throw new FaultError({ code: "FAULT_SIGNATURE_INVALID" }, { cause });
  }
}
