import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigError } from "@leat/node/config/errors.ts";
import { loadConfig } from "@leat/node/config/load-config.ts";
import { sections as nodeSections } from "@leat/node/config/sections.ts";
import fc from "fast-check";
import { Type } from "typebox";

const sections = {
  http: Type.Object(
    {
      port: Type.Integer({ default: 8080, minimum: 1, maximum: 65_535, description: "Port" }),
      cors: Type.Boolean({ default: false, description: "CORS" }),
      peers: Type.Array(Type.String(), { default: [], description: "Peers" }),
      mode: Type.Union([Type.Literal("fast"), Type.Literal("safe")], { default: "safe", description: "Mode" }),
    },
    { default: {}, additionalProperties: false },
  ),
  chain: Type.Object(
    {
      rpcUrl: Type.Optional(Type.String({ description: "RPC" })),
      pollEveryMs: Type.Number({ default: 1_000, minimum: 10, description: "Pause" }),
      pass: Type.Optional(Type.String({ minLength: 8, secret: true, description: "Secret" })),
      limits: Type.Object({ maxGas: Type.Integer({ default: 5, description: "Gas" }) }),
    },
    { additionalProperties: false },
  ),
};

describe("config/load-config", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "leat-config-"));
    file = join(folder, "leat.json");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("takes default, file, environment and flag in this order, and says which", () => {
    writeFileSync(
      file,
      JSON.stringify({ http: { port: 1, cors: true, peers: ["a"] }, chain: { limits: { maxGas: 7 } } }),
    );
    const env = { LEAT_HTTP_PORT: "2", LEAT_HTTP_PEERS: "b,c", HOME: "/", LEAT_CHAIN_LIMITS_MAX_GAS: "8" };
    const { values, origins } = loadConfig({ sections, file, env, argv: ["--http.port", "3", "--http.mode=fast"] });
    assert.deepEqual(values, {
      http: { port: 3, cors: true, peers: ["b", "c"], mode: "fast" },
      chain: { pollEveryMs: 1_000, limits: { maxGas: 8 } },
    });
    assert.deepEqual(origins["http.port"], { source: "flag", name: "--http.port" });
    assert.deepEqual(origins["http.peers"], { source: "environment", name: "LEAT_HTTP_PEERS" });
    assert.deepEqual(origins["http.cors"], { source: "file", name: file });
    assert.deepEqual(origins["chain.pollEveryMs"], { source: "default", name: "" });
    assert.equal(origins["chain.rpcUrl"], undefined);
  });

  it("finds its file by LEAT_CONFIG too", () => {
    writeFileSync(file, JSON.stringify({ http: { port: 9 } }));
    assert.equal(loadConfig({ sections, env: { LEAT_CONFIG: file } }).values.http.port, 9);
  });

  it("gives frozen values that share nothing with the defaults", () => {
    const { values } = loadConfig({ sections });
    assert.ok(Object.isFrozen(values) && Object.isFrozen(values.http) && Object.isFrozen(values.chain.limits));
    assert.throws(() => values.http.peers.push("x"), TypeError);
    assert.deepEqual(loadConfig({ sections }).values.http.peers, []);
  });

  it("reads a boolean flag alone, with = and with a word", () => {
    for (const [argv, wanted] of [
      [["--http.cors"], true],
      [["--http.cors", "--http.port", "7"], true],
      [["--http.cors=false"], false],
      [["--http.cors", "false"], false],
    ] as const) {
      assert.equal(loadConfig({ sections, argv }).values.http.cors, wanted);
    }
  });

  it("refuses unknown names from each source and names the near one", () => {
    writeFileSync(file, JSON.stringify({ http: { prot: 1 } }));
    const cases = [
      [{ file }, "http.prot", "http.port", "file"],
      [{ env: { LEAT_HTTP_PRT: "1" } }, "LEAT_HTTP_PRT", "LEAT_HTTP_PORT", "environment"],
      [{ argv: ["--http.potr=1"] }, "--http.potr", "--http.port", "flag"],
      [{ argv: ["--stray"] }, "--stray", undefined, "flag"],
    ] as const;
    for (const [given, key, nearest, source] of cases) {
      assert.throws(
        () => loadConfig({ sections, ...given }),
        (error: { detail: unknown }) => {
          assert.deepEqual(error.detail, { code: "CONFIG_KEY_UNKNOWN", key, source, nearest });
          return true;
        },
      );
    }
    assert.throws(() => loadConfig({ sections, argv: ["--http.port=1", "stray"] }), {
      detail: { code: "CONFIG_WORD_EXCESS", found: "stray" },
    });
  });

  it("refuses what is out of bounds or of another kind, with what it wanted", () => {
    const cases = [
      [["--http.port=0"], "http.port", "integer from 1 to 65535"],
      [["--http.port=1.5"], "http.port", "integer from 1 to 65535"],
      [["--http.port="], "http.port", "integer from 1 to 65535"],
      [["--http.port"], "http.port", "integer from 1 to 65535"],
      [["--http.port", "--http.cors"], "http.port", "integer from 1 to 65535"],
      [["--http.cors=yes"], "http.cors", "true or false"],
      [["--http.mode=slow"], "http.mode", "fast or safe"],
      [["--chain.pollEveryMs=1"], "chain.pollEveryMs", "number of at least 10"],
    ] as const;
    for (const [argv, key, wanted] of cases) {
      assert.throws(
        () => loadConfig({ sections, argv }),
        (error: { detail: { code: string; key: string; wanted: string } }) => {
          const { code, key: found, wanted: told } = error.detail;
          assert.deepEqual([code, found, told], ["CONFIG_VALUE_INVALID", key, wanted]);
          return true;
        },
      );
    }
  });

  it("names what stands in a list of words and is none of them", () => {
    assert.throws(() => loadConfig({ sections: nodeSections, argv: ["--node.roles", "ingest,cook"] }), {
      detail: {
        code: "CONFIG_VALUE_INVALID",
        key: "node.roles",
        source: "flag",
        at: "[1]",
        found: '"cook"',
        wanted: "balancer or ingest or transcode or delivery or buyer or watchtower",
      },
    });
  });

  it("names the entry and the field of a list that is wrong, and what that takes", () => {
    const address = `0x${"a".repeat(40)}`;
    const balancer = { address, multiaddrs: ["/ip4/127.0.0.1/tcp/1"] };
    const cases = [
      [
        "sales.prices",
        [{ token: "USDC", ingestMs: "-1" }],
        "[0].ingestMs",
        '"-1"',
        /^text like .*/,
        /whole tokens for one/,
      ],
      [
        "sales.prices",
        [{ token: "USDC" }, { token: "LPT", ingestMs: 1 }],
        "[1].ingestMs",
        "1",
        /^text like/,
        /whole tokens/,
      ],
      [
        "sales.prices",
        [{ token: "USDC", pixelH265: "1" }],
        "[0].pixelH265",
        "no field that there is",
        /^one of token, .*did you mean pixelH264\?$/,
        /./,
      ],
      ["sales.prices", [{ ingestMs: "1" }], "[0].token", "missing", /^text like/, /LPT, USDC or the address/],
      ["sales.prices", [{ token: "EUR" }], "[0].token", '"EUR"', /^text like/, /LPT, USDC or the address/],
      ["sales.prices", ["USDC"], "[0]", '"USDC"', /^\{token, ingestMs, /, /./],
      ["sales.prices", { token: "USDC" }, undefined, '{"token":"USDC"}', /^list of \{token, /, /./],
      ["sales.prices", Array(9).fill({ token: "USDC" }), undefined, "a list of 9", /^at most 8 entries$/, /./],
      [
        "settlement.tokenCosts",
        [{ token: "USDC", perNative: "-3000", leastAmount: "1" }],
        "[0].perNative",
        '"-3000"',
        /^text like/,
        /native token/,
      ],
      [
        "session.balancers",
        [balancer, { ...balancer, address: "0x1" }],
        "[1].address",
        '"0x1"',
        /^text like/,
        /balancer's key/,
      ],
      ["session.balancers", [{ ...balancer, multiaddrs: [7] }], "[0].multiaddrs[0]", "7", /^text like/, /ip4/],
    ] as const;
    for (const [key, value, at, found, wanted, said] of cases) {
      const [area, name] = key.split(".") as [string, string];
      writeFileSync(file, JSON.stringify({ [area]: { [name]: value } }));
      assert.throws(
        () => loadConfig({ sections: nodeSections, file }),
        ({ message, detail }: ConfigError) => {
          assert.ok(detail.code === "CONFIG_VALUE_INVALID", message);
          assert.deepEqual([detail.key, detail.at, detail.found], [key, at, found]);
          assert.match(detail.wanted, wanted);
          assert.match(message, said);
          assert.ok(message.startsWith(`${key}${at ?? ""} in ${file} is `), message);
          return true;
        },
      );
    }
    assert.throws(
      () => loadConfig({ sections: nodeSections, env: { LEAT_SALES_PRICES: '[{"token":"EUR"}]' } }),
      /LEAT_SALES_PRICES\[0\]\.token is "EUR"/,
    );
  });

  it("never tells a secret, not even a bad one", () => {
    assert.throws(
      () => loadConfig({ sections, env: { LEAT_CHAIN_PASS: "hush" } }),
      (error: Error & { detail: unknown }) => !`${error.message}${JSON.stringify(error.detail)}`.includes("hush"),
    );
  });

  it("refuses a file that is missing, no JSON, or no object of sections", () => {
    assert.throws(() => loadConfig({ sections, file }), { code: "CONFIG_FILE_UNREADABLE" });
    writeFileSync(file, "{");
    assert.throws(() => loadConfig({ sections, file }), { code: "CONFIG_FILE_UNREADABLE" });
    writeFileSync(file, "# a page\n\nof text");
    assert.throws(() => loadConfig({ sections, file }), /cannot be read as JSON: [^\n]*# a page of text[^\n]*$/);
    writeFileSync(file, '{"other":{}}');
    assert.throws(() => loadConfig({ sections, file }), { code: "CONFIG_KEY_UNKNOWN" });
    for (const [content, key, found] of [
      ["[]", "", "[]"],
      ["7", "", "7"],
      ['{"http":7}', "http", "7"],
      ['{"http":null}', "http", "null"],
    ] as const) {
      writeFileSync(file, content);
      assert.throws(
        () => loadConfig({ sections, file }),
        ({ message, detail }: ConfigError) => {
          assert.ok(detail.code === "CONFIG_VALUE_INVALID", detail.code);
          assert.deepEqual([detail.key, detail.found], [key, found]);
          return message.includes(file) && message.includes("wanted is");
        },
      );
    }
  });

  it("names the file in which a setting is unknown or wrong", () => {
    for (const content of ['{"http":{"prot":1}}', '{"http":{"port":"x"}}']) {
      writeFileSync(file, content);
      assert.throws(
        () => loadConfig({ sections, file }),
        ({ message }: Error) => message.includes(file) && message.includes("http.port"),
      );
    }
  });

  it("wants a setting that has no default", () => {
    const needy = { a: Type.Object({ b: Type.Integer({ description: "B" }) }) };
    assert.throws(() => loadConfig({ sections: needy }), { code: "CONFIG_VALUE_MISSING" });
    assert.equal(loadConfig({ sections: needy, argv: ["--a.b=4"] }).values.a.b, 4);
  });

  it("reads every number that it takes from any of its sources as the same number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_535 }), (port) => {
        const byFlag = loadConfig({ sections, argv: ["--http.port", `${port}`] }).values.http.port;
        const byVariable = loadConfig({ sections, env: { LEAT_HTTP_PORT: `${port}` } }).values.http.port;
        assert.deepEqual([byFlag, byVariable], [port, port]);
      }),
    );
  });
});
