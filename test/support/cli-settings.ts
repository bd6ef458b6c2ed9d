import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NodeKey } from "../../node/kernel/keys.ts";
import { bytesToHex } from "../../sdk/protocol/hex.ts";
import type { AnvilChain } from "./anvil-chain.ts";

/** Writes `NAME.key` of each key, `network.json` and `leat.json` of the key `node` into a folder, for `--config`. */
export async function writeCliSettings(
  anvil: AnvilChain,
  folder: string,
  keys: Readonly<Record<string, NodeKey | undefined>> & { readonly node: NodeKey | undefined },
): Promise<void> {
  for (const [name, key] of Object.entries(keys)) {
    await writeFile(join(folder, `${name}.key`), `${bytesToHex(key!.secret)}\n`, { mode: 0o600 });
  }
  const deployment = { ...anvil.deployment, deployedAtBlock: anvil.deployment.deployedAtBlock.toString() };
  const { chainId } = deployment;
  const network = { name: "local", chainId, confirmedDepth: 2, rpcUrls: [anvil.rpcUrl], deployment };
  await writeFile(join(folder, "network.json"), JSON.stringify(network));
  const settings = {
    node: { keyFile: join(folder, "node.key"), networkFile: join(folder, "network.json") },
    // Where nobody listens: no program calls there, and the reason says that.
    http: { host: "127.0.0.1", port: 1 },
  };
  await writeFile(join(folder, "leat.json"), JSON.stringify(settings));
}
