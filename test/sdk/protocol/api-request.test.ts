import assert from "node:assert/strict";
import fc from "fast-check";
import { hashRequest, parseApiRequest, signApiRequest } from "../../../sdk/protocol/api-request.ts";
import { createDomain } from "../../../sdk/protocol/eip712.ts";
import { apiRequestStructure } from "../../../sdk/protocol/signed.ts";
import { nobleStatements } from "../../../sdk/protocol/statements.ts";

const domain = createDomain(31337, `0x${"11".repeat(20)}`);
const signer = nobleStatements.createSigner(new Uint8Array(32).fill(7));
const facts = { cluster: 7n, issuedAt: 1_700_000_000n, nonce: `0x${"22".repeat(32)}` } as const;
const parts = { method: "POST", target: "/v1/streams?x=1", body: new TextEncoder().encode('{"a":1}') };

describe("a signed API request", () => {
  it("comes back from its header with the account that signed", async () => {
    const header = await signApiRequest(signer, domain, parts, facts);
    const parsed = parseApiRequest(header);
    assert.deepEqual([parsed.account, parsed.value.cluster], [signer.address, 7n]);
    assert.equal(parsed.value.requestHash, hashRequest(parts));
    nobleStatements.verifySigned(apiRequestStructure, domain, parsed, signer.address);
  });

  it("has another hash for another method, target or body", () => {
    const others = [
      { ...parts, method: "PUT" },
      { ...parts, target: "/v1/streams" },
      { ...parts, body: new Uint8Array() },
    ];
    assert.equal(new Set([parts, ...others].map(hashRequest)).size, 4);
  });

  it("is refused with one code whatever else stands in the header", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `Leat ${text}`),
          fc.base64String().map((t) => `Leat ${t}`),
        ),
        (header) => {
          assert.throws(() => parseApiRequest(header), { detail: { code: "API_REQUEST_HEADER_INVALID" } });
        },
      ),
    );
  });

  it("is refused when too long, before it is decoded", () => {
    assert.throws(() => parseApiRequest(`Leat ${"A".repeat(4_000)}`), {
      detail: { code: "API_REQUEST_HEADER_INVALID" },
    });
  });
});
