import { type Domain, StatementError, type Structure, statementDigest } from "./eip712.ts";
import { type Address, bytesToHex, type Hex, hexToBytes, isHex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";
import { nobleSecp, type Secp } from "./secp.ts";

/** A statement as it travels: the value and its signer's 65 bytes r, s, v (or 64 bytes, EIP-2098). */
export interface Signed<T> {
  readonly value: T;
  readonly signature: Hex;
}

/**
 * Signs statements and nothing else: the digest is computed here from a structure that Leat defines, so that no caller
 * can have a transaction or a foreign message signed.
 */
export interface StatementSigner {
  readonly address: Address;
  /** 65 bytes r, low s, v (27 or 28). */
  sign<T>(structure: Structure<T>, domain: Domain, value: T): Promise<Hex>;
}

export interface Statements {
  /** A signer for a 32-byte private key. */
  createSigner(privateKey: Uint8Array): StatementSigner;
  /** Who signed; throws a StatementError for a signature that is malformed, malleable or recovers to nobody. */
  recoverSigner<T>(structure: Structure<T>, domain: Domain, value: T, signature: Hex): Address;
  /** Throws STATEMENT_SIGNER_WRONG unless `signer` signed. */
  verifySigned<T>(structure: Structure<T>, domain: Domain, signed: Signed<T>, signer: Address): void;
  /** The address of a public key, compressed (as in a peer id) or not. */
  addressOf(publicKey: Uint8Array): Address;
}

/** EIP-2098: what the contracts take, one word shorter than r, s, v. */
export interface CompactSignature {
  readonly r: Hex;
  readonly vs: Hex;
}

interface ParsedSignature {
  /** r and s. */
  readonly signature: Uint8Array;
  readonly recovery: number;
}

export function createStatements(secp: Secp): Statements {
  const addressOf = (publicKey: Uint8Array): Address => {
    try {
      return bytesToHex(keccak256(secp.uncompress(publicKey).subarray(1)).subarray(12));
    } catch (cause) {
      throw new StatementError({ code: "STATEMENT_KEY_INVALID" }, { cause });
    }
  };

  const recoverSigner = <T>(structure: Structure<T>, domain: Domain, value: T, signature: Hex): Address => {
    // The signature is parsed first: a malformed one must cost no hashing and no curve arithmetic.
    const parsed = parseSignature(signature);
    const digest = statementDigest(structure, domain, value);
    try {
      const publicKey = secp.recover(digest, parsed.signature, parsed.recovery);
      return bytesToHex(keccak256(publicKey.subarray(1)).subarray(12));
    } catch (cause) {
      throw new StatementError({ code: "STATEMENT_SIGNATURE_INVALID" }, { cause });
    }
  };

  return {
    addressOf,
    recoverSigner,

    createSigner(privateKey) {
      const key = Uint8Array.from(privateKey);
      let address: Address;
      try {
        address = bytesToHex(keccak256(secp.publicKey(key).subarray(1)).subarray(12));
      } catch (cause) {
        throw new StatementError({ code: "STATEMENT_KEY_INVALID" }, { cause });
      }
      return {
        address,
        async sign(structure, domain, value) {
          const { signature, recovery } = secp.sign(statementDigest(structure, domain, value), key);
          return joinSignature(signature, recovery);
        },
      };
    },

    verifySigned(structure, domain, signed, signer) {
      const found = recoverSigner(structure, domain, signed.value, signed.signature);
      if (found !== signer.toLowerCase()) {
        throw new StatementError({ code: "STATEMENT_SIGNER_WRONG", structure: structure.name, wanted: signer, found });
      }
    },
  };
}

/** With noble: for browsers and tests. A node makes its own from its native curve. */
export const nobleStatements: Statements = createStatements(nobleSecp);

/** A signature of either form as the contracts take it. */
export function toCompactSignature(signature: Hex): CompactSignature {
  const parsed = parseSignature(signature);
  const vs = parsed.signature.slice(32);
  vs[0] = vs[0]! | (parsed.recovery << 7);
  return { r: bytesToHex(parsed.signature.subarray(0, 32)), vs: bytesToHex(vs) };
}

// Half the curve's order, from SEC 2: s beyond it is the mirror image of a signature that somebody else made.
const halfOrder = hexToBytes("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

function parseSignature(hex: Hex): ParsedSignature {
  const length = (hex.length - 2) / 2;
  if (length !== 64 && length !== 65)
    throw new StatementError({ code: "STATEMENT_SIGNATURE_LENGTH", lengthBytes: length });
  if (!isHex(hex)) throw new StatementError({ code: "STATEMENT_SIGNATURE_INVALID" });
  const bytes = hexToBytes(hex);
  let recovery: number;
  if (length === 64) {
    recovery = bytes[32]! >> 7;
    bytes[32] = bytes[32]! & 0x7f;
  } else {
    recovery = bytes[64]! - 27;
    if (recovery !== 0 && recovery !== 1) {
      throw new StatementError({ code: "STATEMENT_SIGNATURE_RECOVERY_ID", found: bytes[64]! });
    }
  }
  const signature = bytes.subarray(0, 64);
  if (isAbove(signature.subarray(32), halfOrder)) throw new StatementError({ code: "STATEMENT_SIGNATURE_HIGH_S" });
  return { signature, recovery };
}

function joinSignature(signature: Uint8Array, recovery: number): Hex {
  const bytes = new Uint8Array(65);
  bytes.set(signature, 0);
  bytes[64] = 27 + recovery;
  return bytesToHex(bytes);
}

function isAbove(left: Uint8Array, right: Uint8Array): boolean {
  for (let index = 0; index < left.length; index += 1) {
    if (left[index] !== right[index]) return left[index]! > right[index]!;
  }
  return false;
}
