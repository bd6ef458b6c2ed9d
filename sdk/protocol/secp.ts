import { secp256k1 } from "@noble/curves/secp256k1.js";

/**
 * The curve arithmetic behind every statement. It stands behind one small interface because a browser uses noble
 * and a node the native package, some forty times faster. Only `statements.ts` may call `sign`.
 */
export interface Secp {
  /** 64 bytes r and low s, and which of the two points r names. Throws for a key out of range. */
  sign(digest: Uint8Array, privateKey: Uint8Array): { readonly signature: Uint8Array; readonly recovery: number };
  /** The signer's uncompressed public key (65 bytes). Throws when no key fits. */
  recover(digest: Uint8Array, signature: Uint8Array, recovery: number): Uint8Array;
  /** The uncompressed public key (65 bytes) of a private key. Throws for a key out of range. */
  publicKey(privateKey: Uint8Array): Uint8Array;
  /** A public key of either form, uncompressed. Throws when it is not on the curve. */
  uncompress(publicKey: Uint8Array): Uint8Array;
}

/** Runs anywhere: about 300 recoveries a second and core. */
export const nobleSecp: Secp = {
  sign(digest, privateKey) {
    const bytes = secp256k1.sign(digest, privateKey, { prehash: false, lowS: true, format: "recovered" });
    return { signature: bytes.subarray(1), recovery: bytes[0]! };
  },
  recover(digest, signature, recovery) {
    const bytes = new Uint8Array(65);
    bytes[0] = recovery;
    bytes.set(signature, 1);
    return secp256k1.Point.fromBytes(secp256k1.recoverPublicKey(bytes, digest, { prehash: false })).toBytes(false);
  },
  publicKey: (privateKey) => secp256k1.getPublicKey(privateKey, false),
  uncompress: (publicKey) => secp256k1.Point.fromBytes(publicKey).toBytes(false),
};
