import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { x402Meanings } from "@leat/node/http/plugins/x402-codes.ts";

describe("the page of payments by HTTP", () => {
  it("names every code that a client is told, by its status, and the public packages' word for it", async () => {
    const page = await readFile(new URL("../../../docs/protocol/x402.md", import.meta.url), "utf8");
    const [, errors] = /^## Errors\n([\s\S]*?)^## /m.exec(page)!;
    const rows = [...errors!.matchAll(/^\| (`X402_.*?) *\| (\d{3}) +\| (.*?) *\|$/gm)];
    const named = rows.flatMap(([, codes, status, words]) =>
      [...codes!.matchAll(/`(X402_\w+)`/g)].map(([, code]) => [code!, `${status} ${words}`] as const),
    );
    assert.deepEqual(named.map(([code]) => code).toSorted(), Object.keys(x402Meanings).toSorted());
    for (const [code, row] of named) {
      const { status, reason } = x402Meanings[code as keyof typeof x402Meanings]!;
      assert.ok(row.startsWith(`${status} `) && row.includes(`\`${reason}\``), `${code}: ${row}`);
    }
  });
});
