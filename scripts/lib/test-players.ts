import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findMissing, type LockedPackage } from "./installed-packages.ts";

/**
 * Brings what a folder's lockfile names, where it is not there yet. Players of others take 200 MB, for tests alone: no
 * other command waits for them.
 */
export function ensurePlayers(folder: string, print: (text: string) => void): void {
  const wanted = readPackages(join(folder, "package-lock.json"));
  if (findMissing(wanted, readPackages(join(folder, "node_modules", ".package-lock.json")), process).length === 0)
    return;
  print("Bring players and publishers of others\n");
  const flags = ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"];
  const { status } = spawnSync("npm", flags, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`the tests need players: run "npm ci --prefix test/players --ignore-scripts"`);
}

function readPackages(path: string): Record<string, LockedPackage> {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { packages?: Record<string, LockedPackage> }).packages ?? {};
  } catch {
    return {};
  }
}
