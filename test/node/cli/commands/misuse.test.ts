import assert from "node:assert/strict";
import { refusalOf } from "../../../support/run-leat.ts";

const create = ["stream", "create", "--passthrough"];

describe("cli/commands, called with what cannot be meant", () => {
  const cases: readonly (readonly [argv: readonly string[], said: RegExp])[] = [
    [["webhook", "remove", "abc"], /^abc is no webhook's id; "leat webhook list" shows those of yours; /],
    [["webhook", "add", "nonsense", "--secret-file", "x"], /^nonsense is no address, wanted is https:\/\/HOST\/PATH; /],
    [["stream", "list", "--limit", "0"], /^--limit is 0, wanted is a whole number from 1 /],
    [["explain", "x.json", "--node", "0x1"], /^--node is 0x1, wanted is a node's address; /],
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

  it("tell a secret's file that is not there from one that holds no secret, and nothing of its content", async () => {
    const add = (file: string) => refusalOf("webhook", "add", "https://x.test/", "--secret-file", file);
    const gone = await add("/none/secret");
    const short = await add("/proc/version");
    assert.deepEqual(gone, [
      "CLI_FILE_UNREADABLE",
      "the secret file /none/secret cannot be read: there is no such file or folder, ENOENT; correct the path, or the file",
    ]);
    assert.equal(short[0], "CLI_FILE_INVALID");
    assert.match(
      short[1],
      /does not fit: it holds \d+ characters, wanted are 16 to 128 without spaces, of ASCII; docs/,
    );
  });
});
