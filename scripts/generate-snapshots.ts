import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { measureGas } from "./gas.ts";

/**
 * Writes `contracts/snapshots/`: exact gas and storage layout. A change of either is a commit that explains why; a test
 * makes them again and compares.
 */

const root = new URL("../", import.meta.url);
const contracts = ["ClusterRegistry", "Faults", "OperatorRegistry", "PaymentEscrow"];

interface StorageLayout {
  readonly storage: readonly { label: string; slot: string; offset: number; type: string }[];
  readonly types: Readonly<
    Record<string, { label: string; numberOfBytes: string; members?: StorageLayout["storage"] }>
  > | null;
}

export async function generateSnapshots(): Promise<Map<string, string>> {
  return new Map([
    ["contracts/snapshots/gas.json", toText(await measureGas())],
    ["contracts/snapshots/storage-layout.json", toText(await readStorageLayouts())],
  ]);
}

async function readStorageLayouts(): Promise<Record<string, unknown>> {
  const layouts: Record<string, unknown> = {};
  for (const name of contracts) layouts[name] = describe(await readLayout(name));
  return layouts;
}

/** The layout stands in the build that the contract's artifact names. */
async function readLayout(name: string): Promise<StorageLayout> {
  const artifact = new URL(`artifacts/contracts/${name}.sol/${name}.json`, root);
  const { buildInfoId, inputSourceName } = JSON.parse(await readFile(artifact, "utf8"));
  const folder = new URL("artifacts/build-info/", root);
  const file = (await readdir(folder)).find((found) => found === `${buildInfoId}.output.json`);
  if (file === undefined) throw new Error(`No build of ${name}; run "hardhat build".`);
  const { output } = JSON.parse(await readFile(new URL(file, folder), "utf8"));
  return output.contracts[inputSourceName][name].storageLayout;
}

/** Names, places and types, without the compiler's own numbering. */
function describe(layout: StorageLayout): unknown {
  const line = (item: StorageLayout["storage"][number]) =>
    `slot ${item.slot} +${item.offset} ${layout.types?.[item.type]?.label ?? item.type} ${item.label}`;
  const structs = Object.values(layout.types ?? {})
    .filter((type) => type.members !== undefined)
    .map((type) => [type.label, type.members!.map(line)] as const)
    .toSorted(([left], [right]) => left.localeCompare(right));
  return { storage: layout.storage.map(line), structs: Object.fromEntries(structs) };
}

function toText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(new URL("contracts/snapshots/", root), { recursive: true });
  for (const [path, text] of await generateSnapshots()) await writeFile(new URL(path, root), text);
}
