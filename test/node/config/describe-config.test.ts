import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describeConfig, renderConfigDocs } from "@leat/node/config/describe-config.ts";
import { loadConfig } from "@leat/node/config/load-config.ts";
import { sections } from "@leat/node/config/sections.ts";
import { listSettings } from "@leat/node/config/settings.ts";
import { Type } from "typebox";

describe("config/describe-config", () => {
  it("shows each value and where it came from, secrets hidden", () => {
    const own = {
      a: Type.Object({
        b: Type.Integer({ default: 1, description: "B" }),
        c: Type.Optional(Type.String({ secret: true, description: "C" })),
        d: Type.Optional(Type.String({ description: "D" })),
      }),
    };
    const config = loadConfig({ sections: own, env: { LEAT_A_C: "hush" } });
    assert.deepEqual(describeConfig(own, config), [
      { key: "a.b", value: 1, origin: "default" },
      { key: "a.c", value: "***", origin: "LEAT_A_C" },
      { key: "a.d", value: undefined, origin: "not set" },
    ]);
  });

  it("has a page of all settings that is current (node scripts/generate-config-docs.ts)", () => {
    const path = resolve(import.meta.dirname, "../../../docs/operations/configuration.md");
    assert.equal(readFileSync(path, "utf8"), renderConfigDocs(sections));
  });

  it("says of every setting what it does", () => {
    for (const { key, schema } of listSettings(sections)) assert.ok((schema.description ?? "").length > 0, key);
  });

  it("starts from its defaults alone", () => {
    loadConfig({ sections });
  });
});
