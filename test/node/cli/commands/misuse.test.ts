import assert from "node:assert/strict";
import { refusalOf } from "../../../support/run-leat.ts";

const create = ["stream", "create", "--passthrough"];

describe("cli/commands, called with what cannot be meant", () => {
  const cases: readonly (readonly [argv: readonly string[], said: RegExp])[] = [
    [["webhook", "remove", "abc"], /^abc is no webhook's id; "leat webhook list" shows those of yours; /],
    [[...create, "--budget", "9".repeat(19)], /^--budget is a number of 19 digits, .* at most 18 digits; /],
    [[...create, "--budget", "1e9"], /^--budget is 1e9, wanted is a whole number of bytes /],
    [[...create, "--region", "Mars!"], /^--region is Mars!, wanted are up to 32 small letters, /],
  ];
  it("say what was wanted before they ask anybody", async () => {
    for (const [argv, said] of cases) {
      const [code, message] = await refusalOf(...argv);
      assert.equal(code, "CLI_USAGE");
      assert.match(message, said);
    }
  });
});
