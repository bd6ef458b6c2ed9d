import assert from "node:assert/strict";
import { parseOptions } from "../../../scripts/network/options.ts";

const parse = (...argv: string[]) => parseOptions(argv, "/data");

describe("the options of scripts/up", () => {
  it("default to a network that stays up", () => {
    assert.deepEqual(parse(), {
      demo: false,
      json: false,
      keep: true,
      inputs: [],
      dataDir: "/data",
      portBase: 17_400,
      token: "USDC",
    });
  });

  it("stop after a demo unless told to keep", () => {
    const demo = parse("--demo", "--json", "--input", "a.ts", "--input=b.ts", "--data", "d", "--port-base", "20000");
    assert.deepEqual(demo, {
      demo: true,
      json: true,
      keep: false,
      inputs: ["a.ts", "b.ts"],
      dataDir: "d",
      portBase: 20_000,
      token: "USDC",
    });
    assert.equal((parse("--demo", "--keep", "--token", "LPT") as { keep: boolean }).keep, true);
  });

  it("show their use", () => {
    assert.equal(parse("--help"), "help");
  });

  for (const [argv, code] of [
    [["--dmeo"], "UP_OPTION_UNKNOWN"],
    [["file.ts"], "UP_OPTION_UNKNOWN"],
    [["--port-base", "80"], "UP_OPTION_INVALID"],
    [["--port-base", "65530"], "UP_OPTION_INVALID"],
    [["--port-base", "1e4"], "UP_OPTION_INVALID"],
    [["--port-base"], "UP_OPTION_INVALID"],
    [["--data"], "UP_OPTION_INVALID"],
    [["--demo", "--input"], "UP_OPTION_INVALID"],
    [["--token", "EUR"], "UP_OPTION_INVALID"],
    [["--json"], "UP_OPTION_INVALID"],
    [["--input", "a.ts"], "UP_OPTION_INVALID"],
  ] as const) {
    it(`refuse ${argv.join(" ")} with ${code}`, () => {
      assert.throws(
        () => parse(...argv),
        (error: { detail: { code: string } }) => error.detail.code === code,
      );
    });
  }
});
