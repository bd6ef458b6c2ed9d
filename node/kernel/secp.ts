import type { Secp } from "@leat/sdk/protocol/secp.ts";
import { createStatements, type Statements } from "@leat/sdk/protocol/statements.ts";
import secp256k1 from "secp256k1";
import "./keccak.ts";

/** The native curve: some forty times faster than the portable one. Low s is what the library gives. */
export const nativeSecp: Secp = {
  sign(digest, privateKey) {
    const { signature, recid } = secp256k1.ecdsaSign(digest, privateKey);
    return { signature, recovery: recid };
  },
  recover: (digest, signature, recovery) => secp256k1.ecdsaRecover(signature, recovery, digest, false),
  publicKey: (privateKey) => secp256k1.publicKeyCreate(privateKey, false),
  uncompress: (publicKey) => secp256k1.publicKeyConvert(publicKey, false),
};

/** What every part of a node signs and recovers with. */
export const nativeStatements: Statements = createStatements(nativeSecp);
