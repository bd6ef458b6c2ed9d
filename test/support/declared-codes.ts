import { readSources, type Source } from "../architecture/sources.ts";

export interface DeclaredCode {
  readonly code: string;
  /** The file whose error class has it. */
  readonly path: string;
  /** Names of its facts. */
  readonly facts: readonly string[];
}

/** Every code that a detail type of the sources declares: `{ code: "X" | "Y"; fact: type }`, or by a named union. */
export function listDeclaredCodes(sources: readonly Source[] = readSources()): DeclaredCode[] {
  return sources
    .filter(({ path }) => !path.startsWith("test/"))
    .flatMap(({ path, text: commented }) => {
      const text = commented.replace(/\/\*[\s\S]*?\*\//g, "");
      const unions = new Map(
        [...text.matchAll(/type (\w+) =\s*((?:\|?\s*"[A-Z0-9_]+"\s*)+);/g)].map(([, name, codes]) => [name!, codes!]),
      );
      return [...text.matchAll(/\{\s*code: ((?:"[A-Z0-9_]+"|[\w\s|])+)((?:;[^}]*)?)\}/g)].flatMap(([, codes, facts]) =>
        [...(unions.get(codes!.trim()) ?? codes!).matchAll(/"([A-Z0-9]+_[A-Z0-9_]+)"/g)].map(([, code]) => ({
          code: code!,
          path,
          facts: [...facts!.matchAll(/;\s*(\w+)\??:/g)].map(([, name]) => name!),
        })),
      );
    });
}

/** Where a code is thrown without a sentence: `new SomeError({ code: "X" … })` with nothing that says `message`. */
export function listBareThrows(sources: readonly Source[] = readSources()): { code: string; path: string }[] {
  return sources
    .filter(({ path }) => !path.startsWith("test/"))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/new \w+Error\(/g)].flatMap((match) => {
        const call = readCall(text, match.index + match[0].length);
        const [, code] = /^\s*\{ code: "([A-Z0-9_]+)"/.exec(call) ?? [];
        return code === undefined || call.includes("message") ? [] : [{ code, path }];
      }),
    );
}

/** The files that a program loads, its own first. */
export function listReached(entries: readonly string[], sources: readonly Source[] = readSources()): Set<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const open = [...entries];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { file } of byPath.get(path)?.imports ?? []) if (file !== undefined) open.push(file);
  }
  return reached;
}

/** What stands between the brackets, which open before `from`. */
function readCall(text: string, from: number): string {
  let depth = 1;
  let at = from;
  for (; depth > 0 && at < text.length; at += 1) {
    if ("([{".includes(text[at]!)) depth += 1;
    else if (")]}".includes(text[at]!)) depth -= 1;
  }
  return text.slice(from, at - 1);
}
