import assert from "node:assert/strict";
import { findMissing } from "../../../scripts/lib/installed-packages.ts";

const here = { platform: "linux", arch: "x64" };
const one = { version: "1.0.0", integrity: "sha512-a" };

describe("scripts/installed-packages", () => {
  it("finds packages that are absent, older or other bytes", () => {
    const wanted = { "": {}, sdk: {}, "node_modules/a": one, "node_modules/b": one, "node_modules/c": one };
    const installed = { "node_modules/a": one, "node_modules/b": { ...one, integrity: "sha512-b" } };
    assert.deepEqual(findMissing(wanted, installed, here), ["node_modules/b", "node_modules/c"]);
    assert.deepEqual(findMissing(wanted, wanted, here), []);
  });

  it("wants the optional packages of this platform and no other's", () => {
    const optional = { ...one, optional: true };
    const wanted = {
      "node_modules/x-linux": { ...optional, os: ["linux"], cpu: ["x64"] },
      "node_modules/x-musl": { ...optional, os: ["linux"], cpu: ["x64"], libc: ["musl"] },
      "node_modules/x-darwin": { ...optional, os: ["darwin"] },
      "node_modules/x-arm": { ...optional, os: ["linux"], cpu: ["arm64"] },
      "node_modules/x-not-here": { ...optional, os: ["!linux"] },
      "node_modules/x-anywhere": optional,
    };
    assert.deepEqual(findMissing(wanted, {}, here), ["node_modules/x-linux"]);
  });
});
