import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./sources.ts";

const MAX_FILE_BYTES = 2_500_000;
/** HOUSE: who reads them decides where pages stand. */
const DOCS_FOLDERS = ["operators", "buyers", "resellers", "explorers", "protocol", "operations", "decisions", "images"];

/** Tracked files, and new ones that are about to be. */
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(root, path)));

const textFiles = files.filter(
  (path) => /\.(ts|tsx|js|mjs|sh|sol|json|md|html|css|yml|yaml)$/.test(path) || !path.includes("."),
);
const read = (path: string) => readFileSync(join(root, path), "utf8");

function assertNone(faults: readonly string[]): void {
  assert.equal(faults.length, 0, `\n${faults.join("\n")}`);
}

describe("architecture/repository", () => {
  it("locks packages by content, not by the address that they came from", () => {
    for (const file of ["package-lock.json", "test/players/package-lock.json"]) {
      const lock = JSON.parse(read(file)) as { packages: Record<string, { resolved?: string; link?: boolean }> };
      assertNone(
        Object.entries(lock.packages)
          .filter(([, locked]) => locked.link !== true && locked.resolved !== undefined)
          .map(([path, { resolved }]) => `${path} comes from ${resolved}`),
      );
      assert.ok(!/https?:\/\/[^"]*\.tgz/.test(read(file)));
    }
  });

  it("pins every dependency to one version", () => {
    assertNone(
      ["", "sdk", "transcoder", "node", "test/players"].flatMap((workspace) => {
        const path = join(workspace, "package.json");
        const content = JSON.parse(read(path)) as Record<string, Record<string, string> | undefined>;
        return ["dependencies", "devDependencies", "optionalDependencies"].flatMap((kind) =>
          Object.entries(content[kind] ?? {})
            .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
            .map(([name, version]) => `${path}: ${name} is ${version}`),
        );
      }),
    );
  });

  it("holds no large file and no media", () => {
    assertNone(
      files
        .filter(
          (path) => statSync(join(root, path)).size > MAX_FILE_BYTES || /\.(mp4|flv|ts\.bin|mkv|webm|m4s)$/.test(path),
        )
        .map((path) => `${path} has ${statSync(join(root, path)).size} bytes`),
    );
  });

  it("names no machine's own paths and no registry", () => {
    // Written in two pieces, so that this file does not hold what it looks for.
    const forbidden = [`${"/work"}/`, `${"/root"}/`, `${"/tmp"}/n24`, `registry.${"npmjs"}`];
    assertNone(
      textFiles.flatMap((path) =>
        forbidden.filter((word) => read(path).includes(word)).map((word) => `${path} says ${word}`),
      ),
    );
  });

  it("leaves nothing for later in the sources and no test out", () => {
    const unfinished = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
    const partial = /\b(describe|it|context)\.(only|skip)\(|\bthis\.(skip|retries)\(/;
    const sources = textFiles.filter((path) => /\.(ts|tsx|sol|sh)$/.test(path) || path.startsWith("scripts/"));
    assertNone(
      sources.flatMap((path) => [
        ...(unfinished.test(read(path)) ? [`${path} is unfinished: ${unfinished.exec(read(path))?.[0]}`] : []),
        ...(path.startsWith("test/") && partial.test(read(path)) ? [`${path} leaves tests out`] : []),
      ]),
    );
  });

  it("keeps pages where their readers look, each with a title and links that lead somewhere", () => {
    const pages = files.filter((path) => path.endsWith(".md") && (path.startsWith("docs/") || path === "README.md"));
    assertNone(
      pages.flatMap((path) => {
        const text = read(path);
        // `](page)` in a sentence and `[name]: page` on a line of its own.
        const pattern = /(?:\]\(|^\[[^\]]+\]:\s+)(?!https?:|mailto:|#)([^)\s#]+)/gm;
        const links = [...text.matchAll(pattern)].map((match) => match[1]!);
        const folder = path.split("/")[1]!;
        return [
          ...(path.startsWith("docs/") && !DOCS_FOLDERS.includes(folder)
            ? [`${path} stands in no folder of docs`]
            : []),
          ...(/^# \S/.test(text) ? [] : [`${path} has no title`]),
          ...links
            .filter((link) => !existsSync(join(root, dirname(path), link)))
            .map((link) => `${path} links to ${link}`),
        ];
      }),
    );
  });
});
