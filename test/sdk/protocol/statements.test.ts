import assert from "node:assert/strict";
import fc from "fast-check";
import { compactSignatureToSignature, parseCompactSignature, recoverAddress, serializeSignature } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { createDomain, hashStatement, StatementError } from "../../../sdk/protocol/eip712.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../../sdk/protocol/hex.ts";
import { nobleSecp } from "../../../sdk/protocol/secp.ts";
import { seedCommitStructure } from "../../../sdk/protocol/signed.ts";
import { nobleStatements, toCompactSignature } from "../../../sdk/protocol/statements.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
const value = { cluster: 1n, epoch: 2n, anchor: `0x${"22".repeat(32)}` as Hex, length: 3 };
const keyOf = (byte: number) => new Uint8Array(32).fill(byte);
const codeIs = (code: string) => (error: unknown) => error instanceof StatementError && error.code === code;

describe("statements", () => {
  it("signs what viem recovers, and as viem's own account does", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: 1n, max: order - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        async (key, epoch) => {
          const privateKey = `0x${key.toString(16).padStart(64, "0")}` as Hex;
          const account = privateKeyToAccount(privateKey);
          const signer = nobleStatements.createSigner(hexToBytes(privateKey));
          assert.equal(signer.address, account.address.toLowerCase());
          const statement = { ...value, epoch };
          const signature = await signer.sign(seedCommitStructure, domain, statement);
          const hash = hashStatement(seedCommitStructure, domain, statement);
          assert.equal(signature, await account.sign({ hash }));
          assert.equal(await recoverAddress({ hash, signature }), account.address);
          assert.equal(
            nobleStatements.recoverSigner(seedCommitStructure, domain, statement, signature),
            signer.address,
          );
        },
      ),
      { numRuns: 15 },
    );
  });

  it("reads the compact form as viem does", async () => {
    for (let byte = 1; byte < 12; byte += 1) {
      const signer = nobleStatements.createSigner(keyOf(byte));
      const signature = await signer.sign(seedCommitStructure, domain, value);
      const { r, vs } = toCompactSignature(signature);
      const compact = `${r}${vs.slice(2)}` as Hex;
      assert.equal(serializeSignature(compactSignatureToSignature(parseCompactSignature(compact))), signature);
      assert.equal(nobleStatements.recoverSigner(seedCommitStructure, domain, value, compact), signer.address);
      assert.deepEqual(toCompactSignature(compact), { r, vs });
    }
  });

  it("takes another network's signature for another signer's", async () => {
    const signer = nobleStatements.createSigner(keyOf(7));
    const signature = await signer.sign(seedCommitStructure, domain, value);
    const elsewhere = createDomain(1, domain.verifyingContract);
    nobleStatements.verifySigned(seedCommitStructure, domain, { value, signature }, signer.address);
    assert.throws(
      () => nobleStatements.verifySigned(seedCommitStructure, elsewhere, { value, signature }, signer.address),
      codeIs("STATEMENT_SIGNER_WRONG"),
    );
  });

  it("refuses the mirror image of a signature", async () => {
    const signature = await nobleStatements.createSigner(keyOf(7)).sign(seedCommitStructure, domain, value);
    const s = BigInt(`0x${signature.slice(66, 130)}`);
    const flipped = signature.slice(130) === "1b" ? "1c" : "1b";
    const mirror = `${signature.slice(0, 66)}${(order - s).toString(16).padStart(64, "0")}${flipped}` as Hex;
    assert.throws(
      () => nobleStatements.recoverSigner(seedCommitStructure, domain, value, mirror),
      codeIs("STATEMENT_SIGNATURE_HIGH_S"),
    );
  });

  it("refuses signatures that are short, long, of an odd recovery id, or of nobody", async () => {
    const signature = await nobleStatements.createSigner(keyOf(7)).sign(seedCommitStructure, domain, value);
    const recover = (text: string) => () =>
      nobleStatements.recoverSigner(seedCommitStructure, domain, value, text as Hex);
    assert.throws(recover(signature.slice(0, -4)), codeIs("STATEMENT_SIGNATURE_LENGTH"));
    assert.throws(recover(`${signature}00`), codeIs("STATEMENT_SIGNATURE_LENGTH"));
    assert.throws(recover("0x"), codeIs("STATEMENT_SIGNATURE_LENGTH"));
    assert.throws(recover(`${signature.slice(0, 130)}1d`), codeIs("STATEMENT_SIGNATURE_RECOVERY_ID"));
    assert.throws(recover(`${signature.slice(0, 130)}00`), codeIs("STATEMENT_SIGNATURE_RECOVERY_ID"));
    assert.throws(recover(`0x${"zz".repeat(65)}`), codeIs("STATEMENT_SIGNATURE_INVALID"));
    assert.throws(recover(`0x${"00".repeat(64)}1b`), codeIs("STATEMENT_SIGNATURE_INVALID"));
    assert.throws(recover(`0x${"ff".repeat(32)}${signature.slice(66)}`), codeIs("STATEMENT_SIGNATURE_INVALID"));
  });

  it("gives one address for a public key in either form", () => {
    const publicKey = nobleSecp.publicKey(keyOf(9));
    const compressed = new Uint8Array(33);
    compressed[0] = 2 + (publicKey[64]! & 1);
    compressed.set(publicKey.subarray(1, 33), 1);
    const { address } = nobleStatements.createSigner(keyOf(9));
    assert.equal(nobleStatements.addressOf(publicKey), address);
    assert.equal(nobleStatements.addressOf(compressed), address);
    assert.equal(privateKeyToAccount(bytesToHex(keyOf(9))).address.toLowerCase(), address);
  });

  it("refuses keys that are none", () => {
    for (const key of [keyOf(0), keyOf(255), new Uint8Array(31).fill(1)]) {
      assert.throws(() => nobleStatements.createSigner(key), codeIs("STATEMENT_KEY_INVALID"));
    }
    assert.throws(() => nobleStatements.addressOf(new Uint8Array(33).fill(5)), codeIs("STATEMENT_KEY_INVALID"));
  });

  it("keeps its own copy of the key", async () => {
    const key = keyOf(7);
    const signer = nobleStatements.createSigner(key);
    key.fill(8);
    const signature = await signer.sign(seedCommitStructure, domain, value);
    assert.equal(nobleStatements.recoverSigner(seedCommitStructure, domain, value, signature), signer.address);
  });
});
