import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { x402Meanings } from "@leat/node/http/plugins/x402-codes.ts";

describe("the page of payments by HTTP", () => {
  it("names every code that a client is told, by its status, and the public packages' word for it", async () => {
    const page = await readFile(new URL("../../../docs/protocol/x402.md", import.meta.url), "utf8");
    const [, errors] = /^## Errors\n([\s\S]*?)^## /m.exec(page)!;
    const rows = [...errors!.matchAll(/^\| (`X402_.*?) *\| (\d{3}) +\| (.*?) *\|$/gm)];
    const named = rows.flatMap(([, cell, status, words]) => {
      const [codes, reasons] = [cell!, words!].map((text) => [...text.matchAll(/`(\w+)`/g)].map(([, word]) => word!));
      return codes!.map((code, at) => [code, Number(status), reasons![reasons!.length === 1 ? 0 : at]] as const);
    });
    const meanings = Object.entries(x402Meanings).map(([code, { status, reason }]) => [code, status, reason] as const);
    assert.deepEqual(named.toSorted(byCode), meanings.toSorted(byCode));
  });
});

function byCode([left]: readonly [string, ...unknown[]], [right]: readonly [string, ...unknown[]]): number {
  return left < right ? -1 : 1;
}
