import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Structure } from "../../../sdk/protocol/eip712.ts";
import { receiveAuthorizationStructure } from "../../../sdk/protocol/eip3009.ts";
import { permitTypes } from "../../../sdk/protocol/permit.ts";
import * as signed from "../../../sdk/protocol/signed.ts";
import { typedFields } from "../../../sdk/protocol/typed-data.ts";

const structures = (Object.values(signed) as unknown as Structure<unknown>[]).filter(
  (item) => typeof item === "object" && "typeHash" in item,
);

describe("the page of signed structures", () => {
  let page: string;
  before(async () => {
    page = await readFile(new URL("../../../docs/protocol/signed-structures.md", import.meta.url), "utf8");
  });

  it("has each structure with its fields in signing order, and no other", () => {
    const rows = [...page.matchAll(/^\| (\w+) +\| [^|]+\| `([^`]+)`[^|]*\|$/gm)];
    const written = rows.map(([, name, fields]) => `${name}(${fields!.replaceAll(", ", ",")})`);
    assert.deepEqual(written.toSorted(), structures.map(({ encodedType }) => encodedType).toSorted());
  });

  it("has what is signed for tokens", () => {
    const text = page.replace(/\s+/g, " ");
    const authorizations = { ReceiveWithAuthorization: typedFields(receiveAuthorizationStructure) };
    for (const [name, fields] of Object.entries({ ...permitTypes, ...authorizations })) {
      const encoded = fields.map((field) => `${field.type} ${field.name}`).join(",");
      assert.ok(text.includes(`${name}(${encoded})`), name);
    }
  });
});
