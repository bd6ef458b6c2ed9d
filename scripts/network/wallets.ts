import { readFile, writeFile } from "node:fs/promises";
import { createKeyFile, loadKeyFile, type NodeKey } from "@leat/node/kernel/keys.ts";
import { fileReason } from "@leat/sdk/base/file-reasons.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { bytesToHex, toAddress } from "@leat/sdk/protocol/hex.ts";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import { developmentMnemonic } from "./chain.ts";
import { NetworkError } from "./options.ts";

/** Whose wallets the development mnemonic's accounts are. */
export const walletIndex = {
  deployer: 0,
  clusterOwner: 1,
  operatorA: 2,
  operatorB: 3,
  operatorC: 4,
  coldBuyer: 5,
} as const;
export type WalletName = keyof typeof walletIndex;

export function walletOf(name: WalletName): HDAccount {
  return mnemonicToAccount(developmentMnemonic, { addressIndex: walletIndex[name] });
}

export function privateKeyOf(account: HDAccount): Hex {
  const key = account.getHdKey().privateKey;
  if (key === null) throw new Error("a wallet of a mnemonic has its key");
  return bytesToHex(key);
}

export function addressOfWallet(name: WalletName): Address {
  return toAddress(walletOf(name).address);
}

/** A node's key: made once and kept with the network's state. */
export async function keyAt(path: string): Promise<NodeKey> {
  try {
    return await loadKeyFile(path);
  } catch (error) {
    if ((error as { detail?: { code?: string } }).detail?.code !== "KEY_FILE_MISSING") throw error;
    return createKeyFile(path);
  }
}

/** JSON in which bigints are decimal text. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const text = JSON.stringify(value, (_, item) => (typeof item === "bigint" ? item.toString() : item), 2);
  await writeFile(path, `${text}\n`);
}

/** @throws UP_DATA_BROKEN where the file holds something else: cut off, say */
export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new NetworkError({ code: "UP_DATA_UNUSABLE", dir: path, reason: fileReason(cause) }, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${path} cannot be read as JSON; remove its folder to begin anew`;
    throw new NetworkError({ code: "UP_DATA_BROKEN", file: path }, { message, cause });
  }
}
