import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { findFault, findRoom } from "./rooms.ts";
import { readImports, readSources, root, type Source } from "./sources.ts";

const sources = readSources();

function assertNone(faults: readonly string[]): void {
  assert.equal(faults.length, 0, `\n${[...new Set(faults)].join("\n")}`);
}

function faultsOf(find: (source: Source) => readonly (string | undefined)[]): string[] {
  return sources.flatMap((source) => find(source)).filter((fault) => fault !== undefined);
}

/** Code without comments and texts, so that a word in a sentence is no use of it. */
function codeOf({ text }: Source): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, " ");
}

describe("architecture/imports", () => {
  it("reads every way to import", () => {
    const text = [
      'import a from "./a.ts";',
      'import type { B } from "@leat/sdk/base/b.ts";',
      'import {\n  c,\n  type D,\n} from "c/deep.js";',
      'import "side";',
      'export { e } from "@scope/e/f";',
      'export * from "../g.ts";',
      'const h = await import("node:h");',
    ].join("\n");
    assert.deepEqual(
      readImports("node/kernel/x.ts", text).map((one) => [one.file ?? one.package, one.typeOnly]),
      [
        ["node/kernel/a.ts", false],
        ["sdk/base/b.ts", true],
        ["c", false],
        ["side", false],
        ["@scope/e", false],
        ["node/g.ts", false],
        ["node:h", false],
      ],
    );
  });

  it("knows a wrong direction when it sees one", () => {
    assert.equal(findFault("node/services/a/a.ts", "node/wire/host.ts", false), undefined);
    assert.equal(findFault("node/kernel/a.ts", "sdk/base/errors.ts", false), undefined);
    for (const [from, to] of [
      ["sdk/base/a.ts", "sdk/protocol/b.ts"],
      ["sdk/client/a.ts", "node/kernel/b.ts"],
      ["sdk/client/a.ts", "sdk/player/b.ts"],
      ["node/metering/a.ts", "node/kernel/b.ts"],
      ["node/metering/a.ts", "node/market/b.ts"],
      ["node/wire/a.ts", "node/store/b.ts"],
      ["node/kernel/a.ts", "node/services/b/b.ts"],
      ["transcoder/a.ts", "node/kernel/b.ts"],
      ["node/services/a/a.ts", "node/services/b/b.ts"],
      ["node/attic/a.ts", "sdk/base/b.ts"],
      ["node/a.ts", "sdk/base/b.ts"],
    ] as const) {
      assert.notEqual(findFault(from, to, false), undefined, `${from} → ${to}`);
    }
  });

  it("finds a room for every file", () => {
    assert.ok(sources.length > 50);
    assertNone(faultsOf(({ path }) => [findRoom(path) === undefined ? `${path} stands in no room` : undefined]));
  });

  it("finds dependencies that point down", () => {
    assertNone(
      faultsOf(({ path, imports }) =>
        imports.map(({ file, typeOnly }) => (file === undefined ? undefined : findFault(path, file, typeOnly))),
      ),
    );
  });

  it("finds no part of Node in what runs in a browser, and no bare name of one anywhere", () => {
    assertNone(
      faultsOf(({ path, imports }) =>
        imports.map(({ package: name }) => {
          if (name === undefined) return undefined;
          if (name.startsWith("node:") && findRoom(path)?.browser && !path.endsWith(".config.ts"))
            return `${path} uses ${name}`;
          // Of some modules Node lists the name with its prefix.
          const isBare = !name.startsWith("node:") && builtinModules.includes(name);
          return isBare ? `${path} writes ${name} without node:` : undefined;
        }),
      ),
    );
  });

  it("finds none of Node's own names in what runs in a browser", () => {
    assertNone(
      faultsOf((source) => {
        if (findRoom(source.path)?.browser !== true || source.path.endsWith(".config.ts")) return [];
        const found = /\b(Buffer|process|setImmediate|__dirname|require)\b\s*[.(]/.exec(codeOf(source));
        return [found === null ? undefined : `${source.path} uses ${found[0]}`];
      }),
    );
  });

  it("finds no clock and no chance in rules", () => {
    const impure =
      /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|process\.\w+|crypto\.\w+)/;
    assertNone(
      faultsOf((source) => {
        if (findRoom(source.path)?.pure !== true) return [];
        const found = impure.exec(codeOf(source));
        return [found === null ? undefined : `${source.path} uses ${found[0]}`];
      }),
    );
  });

  it("finds every package declared by the workspace that imports it", () => {
    const declared = new Map<string, Set<string>>(
      ["sdk", "transcoder", "node", ""].map((workspace) => {
        const text = readFileSync(join(root, workspace, "package.json"), "utf8");
        const { dependencies = {}, devDependencies = {} } = JSON.parse(text) as Record<string, Record<string, string>>;
        return [workspace, new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)])];
      }),
    );
    const everything = new Set([...declared.values()].flatMap((names) => [...names]));
    assertNone(
      faultsOf(({ path, imports }) =>
        imports.map(({ package: name }) => {
          if (name === undefined || name.startsWith("node:")) return undefined;
          // Pages and their build belong to the whole: vite is a tool of the root.
          const known = declared.get(path.split("/")[0]!) ?? everything;
          const isTool = path.endsWith(".config.ts") && declared.get("")!.has(name);
          return known.has(name) || isTool ? undefined : `${path} uses ${name}, which its package.json does not name`;
        }),
      ),
    );
  });
});
