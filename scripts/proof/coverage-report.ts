import type { Branch } from "./branches.ts";

export interface Coverage {
  readonly lines: { readonly found: number; readonly hit: number };
  /** Both ways of each decision count. */
  readonly branches: { readonly found: number; readonly hit: number };
  /** `contracts/PaymentEscrow.sol:12 ...`, one for each line or way that nothing took. */
  readonly missing: readonly string[];
}

/**
 * Joins Hardhat's account of lines with the marks of our branches.
 * @param lcov Hardhat's report, of the instrumented files
 * @param marks What was called, as Hardhat keeps it: words in hexadecimal without 0x
 * @param lengths Lines of each file before it was instrumented: what follows them is not ours
 */
export function reportCoverage(
  lcov: string,
  marks: ReadonlySet<string>,
  branches: readonly Branch[],
  lengths: ReadonlyMap<string, number>,
): Coverage {
  const missing: string[] = [];
  const lines = { found: 0, hit: 0 };
  const seen = new Set<string>();
  let path = "";
  for (const row of lcov.split("\n")) {
    if (row.startsWith("SF:")) path = row.slice(3);
    const match = /^DA:(\d+),(\d+)/.exec(row);
    if (match === null || Number(match[1]) > (lengths.get(path) ?? 0)) continue;
    seen.add(path);
    lines.found++;
    if (Number(match[2]) > 0) lines.hit++;
    else missing.push(`${path}:${match[1]} is never run`);
  }
  const ways = branches.flatMap(({ path: file, line, source, ways: [on, off], mark }) => [
    { mark, text: `${file}:${line} is never ${off}: ${source}` },
    { mark: mark + 1, text: `${file}:${line} is never ${on}: ${source}` },
  ]);
  for (const { mark, text } of ways) if (!marks.has(toWord(mark))) missing.push(text);
  // A file with decisions but no line in the report was not instrumented at all.
  for (const file of new Set(branches.map((branch) => branch.path))) {
    if (!seen.has(file)) missing.push(`${file} is not in the report`);
  }
  const hit = ways.filter(({ mark }) => marks.has(toWord(mark))).length;
  return { lines, branches: { found: ways.length, hit }, missing: missing.toSorted() };
}

export function describeCoverage({ lines, branches, missing }: Coverage): string {
  const share = ({ found, hit }: { found: number; hit: number }) =>
    `${hit} of ${found} (${found === 0 ? "0.00" : ((100 * hit) / found).toFixed(2)} %)`;
  return [...missing, `Lines of contracts: ${share(lines)}`, `Branches of contracts: ${share(branches)}`, ""].join(
    "\n",
  );
}

export function isWhole({ lines, branches, missing }: Coverage): boolean {
  return missing.length === 0 && lines.found > 0 && branches.found > 0;
}

export function toWord(mark: number): string {
  return mark.toString(16).padStart(64, "0");
}
