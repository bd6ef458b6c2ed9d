import assert from "node:assert/strict";
import { readEndpoint, readTerms } from "@leat/node/cli/endpoint.ts";

describe("a node's endpoint", () => {
  const host = "https://n.example/";
  const longest = host + "a".repeat(256 - host.length);
  for (const good of ["https://n.example", "http://127.0.0.1:8080/offer", "https://[::1]:1/x?y=z", longest]) {
    it(`may be ${good.slice(0, 40)}`, () => assert.equal(readEndpoint(good), good));
  }
  const bad = [
    ["", "nothing"],
    ["not-a-url", "a word"],
    ["n.example:443", "a host and port"],
    ["ftp://n.example", "of another scheme"],
    ["javascript:alert(1)", "a script"],
    ["https://", "without a host"],
    [" https://n.example", "with a blank before it"],
    ["https://n.exa\nmple", "with a line break"],
    ["https://n.example/\u0000", "with a control character"],
    ["https://me:secret@n.example", "with a password in it"],
    [`${longest}a`, "longer than 256 bytes"],
    [host + "ä".repeat(128), "longer in bytes, and shorter in letters"],
  ] as const;
  for (const [text, how] of bad) {
    it(`is refused when it is ${how}`, () => assert.throws(() => readEndpoint(text), { code: "CLI_ENDPOINT_INVALID" }));
  }
});

describe("a cluster's terms", () => {
  const host = "https://t.example/";
  const longest = host + "a".repeat(512 - host.length);
  it("may be an address of 512 bytes", () => assert.equal(readTerms(longest), longest));
  for (const text of ["", "ipfs://x", "https://me:secret@t.example", `${longest}a`]) {
    it(`are refused when they are ${text.slice(0, 40) || "nothing"}`, () =>
      assert.throws(() => readTerms(text), { code: "CLI_TERMS_INVALID" }));
  }
});
