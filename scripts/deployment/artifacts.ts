import { readFile } from "node:fs/promises";
import { type Abi, keccak256, toFunctionSelector } from "viem";
import type { Hex } from "../../sdk/protocol/hex.ts";

/** What the compiler made of one contract. */
export interface Artifact {
  readonly abi: Abi;
  readonly bytecode: Hex;
  readonly deployedBytecode: Hex;
  /** Where the constructor writes values into the code, in bytes. */
  readonly immutableReferences: Readonly<
    Record<string, readonly { readonly start: number; readonly length: number }[]>
  >;
}

const places: Readonly<Record<string, string>> = {
  AccessManager: "@openzeppelin/contracts/access/manager/AccessManager.sol/AccessManager.json",
  DevelopmentToken: "contracts/mocks/DevelopmentToken.sol/DevelopmentToken.json",
  DevelopmentUsdc: "contracts/mocks/DevelopmentUsdc.sol/DevelopmentUsdc.json",
};

/** Needs `hardhat build`. */
export async function readArtifact(name: string): Promise<Artifact> {
  const place = places[name] ?? `contracts/${name}.sol/${name}.json`;
  const found = JSON.parse(await readFile(new URL(`../../artifacts/${place}`, import.meta.url), "utf8")) as Artifact;
  return { ...found, immutableReferences: found.immutableReferences ?? {} };
}

/**
 * Hash of a contract's code on chain with what its constructor wrote taken out: the same for every deployment of the
 * same source. The values themselves are compared through the functions that tell them.
 */
export function hashCode(artifact: Artifact, code: Hex): Hex {
  const digits = [...code];
  for (const { start, length } of Object.values(artifact.immutableReferences).flat()) {
    digits.fill("0", 2 + 2 * start, 2 + 2 * (start + length));
  }
  return keccak256(digits.join("") as Hex);
}

export function selectorOf(abi: Abi, name: string): Hex {
  const found = abi.find((item) => item.type === "function" && item.name === name);
  if (found?.type !== "function") throw new Error(`No function ${name} in the interface.`);
  return toFunctionSelector(found);
}
