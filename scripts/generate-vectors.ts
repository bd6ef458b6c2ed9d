import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { encodeAbiParameters, keccak256, parseAbiParameters } from "viem";
import {
  createDomain,
  hashDomain,
  hashStatement,
  hashStruct,
  type Structure,
  valueToJson,
} from "../sdk/protocol/eip712.ts";
import { bytesToHex, type Hex, zeroHash } from "../sdk/protocol/hex.ts";
import { hashPartLeaf, merkleProof, merkleRoot, nextUsageRoot } from "../sdk/protocol/merkle.ts";
import * as signed from "../sdk/protocol/signed.ts";
import { nobleStatements, toCompactSignature } from "../sdk/protocol/statements.ts";

/**
 * Writes `test/vectors/*.json`: what TypeScript and Solidity must both arrive at. They are committed and never change
 * without a new version of the protocol; a test generates them again and compares.
 */

type Row = Record<string, string | number | bigint>;

const domain = createDomain(42161, `0x${"e5".repeat(20)}`);
const structures = Object.values(signed)
  .filter((item) => "typeHash" in item)
  .toSorted((left, right) => left.name.localeCompare(right.name)) as unknown as Structure<Row>[];

export async function generateVectors(): Promise<Map<string, string>> {
  return new Map([
    ["test/vectors/statements.json", toText(await statementVectors())],
    ["test/vectors/merkle.json", toText(merkleVectors())],
    ["test/vectors/clusters.json", toText(clusterVectors())],
  ]);
}

async function statementVectors() {
  const statements: Record<string, unknown> = {};
  for (const [index, structure] of structures.entries()) {
    const signer = nobleStatements.createSigner(new Uint8Array(32).fill(index + 1));
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
