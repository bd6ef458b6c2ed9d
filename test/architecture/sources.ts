import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** The file in this repository, from its root, or undefined for a package or a part of Node. */
  readonly file: string | undefined;
  /** The package's name, or `node:…`, where it is no file of ours. */
  readonly package: string | undefined;
  readonly typeOnly: boolean;
}

export interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const FOLDERS = ["sdk", "transcoder", "node", "scripts", "test"];
const importPattern =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w$*{][^;"']*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;

export function readSources(): Source[] {
  const patterns = FOLDERS.map((folder) => `${folder}/**/*.{ts,tsx}`);
  return globSync(patterns, { cwd: root, exclude: (path) => /(^|\/)(node_modules|dist)(\/|$)/.test(path) })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), "utf8");
      return { path, text, imports: readImports(path, text) };
    });
}

export function readImports(path: string, text: string): Import[] {
  return [...text.matchAll(importPattern)].map((match) => {
    const specifier = (match[2] ?? match[3])!;
    const file = resolveFile(path, specifier);
    return {
      specifier,
      file,
      package: file === undefined ? namePackage(specifier) : undefined,
      typeOnly: match[1] !== undefined,
    };
  });
}

function resolveFile(path: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return normalize(join(dirname(path), specifier));
  if (specifier.startsWith("@leat/")) return specifier.slice("@leat/".length);
  return undefined;
}

function namePackage(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
