import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { encodeAbiParameters, keccak256, parseAbiParameters, toHex } from "viem";
import {
  createDomain,
  hashDomain,
  hashStatement,
  hashStruct,
  type Structure,
  valueToJson,
} from "../sdk/protocol/eip712.ts";
import { equivocationToJson } from "../sdk/protocol/faults.ts";
import { bytesToHex, type Hex, hexToBytes, zeroHash } from "../sdk/protocol/hex.ts";
import { hashPartLeaf, merkleProof, merkleRoot, nextUsageRoot } from "../sdk/protocol/merkle.ts";
import * as signed from "../sdk/protocol/signed.ts";
import { nobleStatements, toCompactSignature } from "../sdk/protocol/statements.ts";
import { proveStorageLeaf, storageLeafCount, storageRoot } from "../sdk/protocol/storage-tree.ts";

/**
 * Writes `test/vectors/*.json`: what TypeScript and Solidity must both arrive at. They are committed and never change
 * without a new version of the protocol; a test generates them again and compares.
 */

type Row = Record<string, string | number | bigint>;

const domain = createDomain(42161, `0x${"e5".repeat(20)}`);
const structures = Object.values(signed)
  .filter((item) => "typeHash" in item)
  .toSorted((left, right) => left.name.localeCompare(right.name)) as unknown as Structure<Row>[];

/** The structures of the first version, in the order that gave their signers' keys; later ones must not move these. */
const firstStructures = [
  "ApiRequest",
  "Assignment",
  "BalancerPossession",
  "CheckResult",
  "NodePossession",
  "Offer",
  "PartHash",
  "Quote",
  "Receipt",
  "SeedCommit",
  "SelectionReceipt",
  "SignerPossession",
  "Voucher",
];

export async function generateVectors(): Promise<Map<string, string>> {
  return new Map([
    ["test/vectors/statements.json", toText(await statementVectors())],
    ["test/vectors/merkle.json", toText(merkleVectors())],
    ["test/vectors/clusters.json", toText(clusterVectors())],
    ["test/vectors/faults.json", toText(await faultVectors())],
  ]);
}

async function statementVectors() {
  const statements: Record<string, unknown> = {};
  for (const structure of structures) {
    const signer = nobleStatements.createSigner(vectorKeyOf(structure.name));
    const value: Row = Object.fromEntries(
      structure.fields.map(([field, type], at) => [field, fieldValue(type, `${structure.name}.${field}`, at)]),
    );
    const signature = await signer.sign(structure, domain, value);
    statements[structure.name] = {
      encodedType: structure.encodedType,
      typeHash: structure.typeHash,
      value: valueToJson(structure, value),
      structHash: hashStruct(structure, value),
      digest: hashStatement(structure, domain, value),
      signer: signer.address,
      signature,
      ...toCompactSignature(signature),
    };
  }
  return { domain: { ...domain, separator: hashDomain(domain) }, statements };
}

/** The key that signs a structure's vector, by the structure's name. */
export function vectorKeyOf(name: string): Uint8Array {
  const index = firstStructures.indexOf(name);
  return index === -1 ? hexToBytes(keccak256(toHex(name))) : new Uint8Array(32).fill(index + 1);
}

/** Pseudo-random and full width, so that a swapped or cut field shows. */
function fieldValue(type: string, label: string, at: number): string | number | bigint {
  const random = keccak256(encodeAbiParameters(parseAbiParameters("string"), [label]));
  if (type === "bytes32") return random;
  if (type === "address") return `0x${random.slice(26)}`;
  const bits = Number(type.slice(4));
  const wide = BigInt(random) >> BigInt(256 - bits);
  return bits <= 32 ? Number(wide) : wide + BigInt(at % 2);
}

function merkleVectors() {
  const leaves = Array.from({ length: 7 }, (_, part) => ({
    rung: 1 + (part % 2),
    part,
    frames: 8 * part,
    pixels: BigInt(8 * part) * 854n * 480n,
    sizeBytes: 10_000n + BigInt(part),
    sha256: bytesToHex(new Uint8Array(32).fill(part + 1)),
  }));
  const hashes = leaves.map(hashPartLeaf);
  const root = merkleRoot(hashes);
  return {
    leaves: leaves.map((leaf, index) => ({
      ...leaf,
      pixels: leaf.pixels.toString(),
      sizeBytes: leaf.sizeBytes.toString(),
      hash: hashes[index],
      proof: merkleProof(hashes, index),
    })),
    root,
    usageRoots: usageRoots(root),
  };
}

function usageRoots(root: Hex) {
  const first = nextUsageRoot(zeroHash, 1n, zeroHash);
  return [
    { previous: zeroHash, seq: 1, receiptsRoot: zeroHash, usageRoot: first },
    { previous: first, seq: 2, receiptsRoot: root, usageRoot: nextUsageRoot(first, 2n, root) },
  ];
}

/** A pair of receipts that slashes, and trees over content of sizes around the edges of leaves and levels. */
async function faultVectors() {
  const signer = nobleStatements.createSigner(vectorKeyOf("Receipt"));
  const sign = async (durationMs: number) => {
    const fields = signed.receiptStructure.fields.map(([field, type], at) => [field, fieldValue(type, field, at)]);
    const value = { ...(Object.fromEntries(fields) as signed.Receipt), durationMs };
    const signature = await signer.sign(signed.receiptStructure, domain, value);
    return { value, signature };
  };
  const equivocation = { first: await sign(2_000), second: await sign(4_000) };
  return {
    signer: signer.address,
    equivocation: equivocationToJson(equivocation),
    digests: [equivocation.first, equivocation.second].map(({ value }) =>
      hashStatement(signed.receiptStructure, domain, value),
    ),
    trees: [1, 1_023, 1_024, 1_025, 2_048, 3_000, 5_121, 7_168].map(treeVector),
  };
}

function treeVector(sizeBytes: number) {
  const content = Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 31 + (at >> 8)) % 251);
  return {
    sizeBytes,
    content: bytesToHex(content),
    root: storageRoot(content),
    proofs: Array.from({ length: storageLeafCount(sizeBytes) }, (_, leaf) => proveStorageLeaf(content, leaf).proof),
  };
}

function clusterVectors() {
  return [0n, 1n, 2n, 2n ** 256n - 1n].map((cluster) => {
    const hash = keccak256(encodeAbiParameters(parseAbiParameters("string, uint256"), ["leat.cluster", cluster]));
    return { cluster: cluster.toString(), account: `0x${hash.slice(-40)}` };
  });
}

function toText(vectors: unknown): string {
  return `${JSON.stringify(vectors, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(new URL("../test/vectors/", import.meta.url), { recursive: true });
  for (const [path, text] of await generateVectors()) await writeFile(new URL(`../${path}`, import.meta.url), text);
}
