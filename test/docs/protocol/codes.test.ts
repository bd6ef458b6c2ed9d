import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

const read = (path: string) => readFile(new URL(`../../../${path}`, import.meta.url), "utf8");

/** Where the codes of the page come from. */
const sources = [
  "sdk/protocol/eip712.ts",
  "sdk/protocol/units.ts",
  "sdk/protocol/api-request.ts",
  "node/metering/voucher-rules.ts",
  "node/services/payment/errors.ts",
  "node/services/buyer/errors.ts",
  "node/services/balancer/errors.ts",
  "node/http/auth.ts",
  "node/media-io/access/errors.ts",
  "node/media-io/access/policy.ts",
  "node/media-io/pull/errors.ts",
  "node/media/pulled-playlist.ts",
  "node/media-io/restream/errors.ts",
  "node/services/pulling/errors.ts",
  "node/services/restreaming/restreaming-service.ts",
];
const interfaceOf = (contract: string) => `contracts/interfaces/I${contract}.sol`;

describe("the page of codes", () => {
  let page: Set<string>;
  before(async () => {
    const rows = (await read("docs/protocol/codes.md")).matchAll(/^\| `(\w+)` /gm);
    page = new Set([...rows].map(([, code]) => code!));
  });

  it("names every code that statements, receipts, checks, reports, vouchers, requests, viewers, sources and targets are refused with, and no other", async () => {
    const written = new Set<string>();
    for (const path of sources) {
      const types =
        /(?:code: |\| |= )(?:FieldFault|)"?((?:STATEMENT|UNITS|API_REQUEST|VOUCHER|CREDIT|PAYER|USAGE|RECEIPT|CHECK|ATTEMPT|AUTH|PLAYBACK|STREAM_PULLS|PULL|RESTREAM)_[A-Z_0-9]+)"/g;
      for (const [, code] of (await read(path)).matchAll(types)) written.add(code!);
    }
    const rules = await read("node/metering/errors.ts");
    for (const [, code] of rules.matchAll(/code: "(VOUCHER_\w+)"/g)) written.add(code!);
    const hub = await read("node/services/session/hub.ts");
    for (const [, code] of hub.matchAll(/"(SESSION_ACCOUNT_\w+)"/g)) written.add(code!);
    assert.ok(written.size > 120);
    const named = [...page].filter((code) => /^[A-Z_0-9]+$/.test(code));
    assert.deepEqual(named.toSorted(), [...written].toSorted());
  });

  it("names every reason of the escrow by its number", async () => {
    const text = await read(interfaceOf("PaymentEscrow"));
    const reasons = /enum SkipReason \{([^}]*)\}/
      .exec(text)![1]!
      .split(",")
      .map((name) => name.trim());
    const numbered = [...(await read("docs/protocol/codes.md")).matchAll(/^\| `(\w+)` +\| (\d+) /gm)];
    assert.deepEqual(
      numbered.map(([, name, number]) => [name, Number(number)]),
      reasons.map((name, number) => [name, number]),
    );
  });

  for (const contract of ["PaymentEscrow", "OperatorRegistry", "ClusterRegistry"]) {
    it(`names every error of ${contract}, and no other`, async () => {
      const text = await read(interfaceOf(contract));
      const errors = [...text.matchAll(/^ {4}error (\w+)\(/gm)].map(([, name]) => name!);
      assert.ok(errors.length > 15);
      const named = [...page].filter((code) => code.startsWith(contract));
      assert.deepEqual(named.toSorted(), errors.toSorted());
    });
  }
});
