import { type Domain, parseValue, type Structure } from "./eip712.ts";
import type { Address } from "./hex.ts";

/** One field of a type of EIP-712. */
export interface TypedField {
  readonly name: string;
  readonly type: string;
}

/** Structured data as wallets take it: `eth_signTypedData_v4`, viem and ethers. One type, which is the primary one. */
export interface TypedData {
  readonly domain: {
    readonly name: string;
    readonly version: string;
    readonly chainId: number;
    readonly verifyingContract: Address;
  };
  readonly primaryType: string;
  readonly types: Readonly<Record<string, readonly TypedField[]>>;
  readonly message: Readonly<Record<string, unknown>>;
}

/** A statement for a wallet to sign. A value out of range is refused here: a wallet might cut it to fit. */
export function typedDataOf<T>(structure: Structure<T>, domain: Domain, value: T): TypedData {
  return {
    domain: { name: "Leat", version: "1", ...domain },
    primaryType: structure.name,
    types: { [structure.name]: typedFields(structure) },
    message: parseValue(structure, value) as Record<string, unknown>,
  };
}

/** A structure as wallets take it. */
export function typedFields<T>(structure: Structure<T>): TypedField[] {
  return structure.fields.map(([name, type]) => ({ name, type }));
}
