import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findMissing, type LockedPackage } from "./installed-packages.ts";

/** Exits 0 when node_modules holds what the lockfile wants on this platform, 1 when not. Says nothing. */
const root = process.argv[2] ?? ".";
const wanted = await readPackages(join(root, "package-lock.json"));
const installed = await readPackages(join(root, "node_modules", ".package-lock.json"));
process.exitCode = findMissing(wanted, installed, process).length === 0 ? 0 : 1;

async function readPackages(path: string): Promise<Record<string, LockedPackage>> {
  const text = await readFile(path, "utf8").catch(() => "{}");
  return (JSON.parse(text) as { packages?: Record<string, LockedPackage> }).packages ?? {};
}
