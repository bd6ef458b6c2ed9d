import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./sources.ts";

const page = readFileSync(join(root, "docs/protocol/threats.md"), "utf8");

/** `path` "name of the test", which a line's end may divide in running text. */
const named = [...page.matchAll(/`(test\/[\w./-]+)`\s+"([^"]+)"/g)].map(([, path, name]) => ({
  path: path!,
  name: name!.replaceAll(/\s+/g, " "),
}));

/** Every actor that the protocol's money meets has its part of the page. */
const actors = [
  "Operator",
  "Thief of a node key",
  "Buyer",
  "A payer's allotted signer",
  "Owner of a cluster",
  "Thief of a balancer key",
  "Member of a cluster",
  "Sponsor",
  "Reporter and challenger",
  "Governor and guardian",
  "Issuer of a token, and the token's code",
  "RPC endpoint and sequencer",
  "Searcher, and whoever submits for others",
  "Watchtower, and whoever leaves vouchers with it",
];

describe("architecture/threats", () => {
  it("has a part for every actor, each with a bound that a test shows", () => {
    const parts = page.split(/^## /m).slice(1);
    assert.deepEqual(
      parts.map((part) => part.split("\n")[0]),
      actors,
    );
    for (const part of parts) assert.match(part, /`test\/[\w./-]+`\s+"/);
    const rows = page.split("\n").filter((line) => line.startsWith("| ") && !/^\| (could try to|---)/.test(line));
    assert.deepEqual(
      rows.filter((row) => !/`test\/[\w./-]+` "[^"]+" +\|$/.test(row)),
      [],
    );
  });

  it("names tests that are there", () => {
    assert.ok(named.length > 40);
    const missing = named.filter(({ path, name }) => !existsSync(join(root, path)) || !holds(path, name));
    assert.deepEqual(missing, []);
  });
});

/** In the Solidity tests a function's name, elsewhere the text of `it`. */
function holds(path: string, name: string): boolean {
  const source = readFileSync(join(root, path), "utf8");
  return path.endsWith(".sol") ? source.includes(`function ${name}(`) : source.includes(`it("${name}"`);
}
