import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sections } from "@leat/node/config/sections.ts";
import { listSettings } from "@leat/node/config/settings.ts";
import { errorTexts, explainError } from "@leat/node/texts/table.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { describeEnd, endTexts } from "../../../node/texts/ends.ts";
import { readSources, root } from "../../architecture/sources.ts";
import { listBareThrows, listDeclaredCodes, listReached } from "../../support/declared-codes.ts";

/** What people call; each loads all that it may print the errors of. */
const programs = ["node/cli/main.ts", "scripts/network/main.ts", "scripts/deployment/main.ts"];

/**
 * Rooms whose codes end inside a running node: they answer a peer or a publisher, or stand in its log and metrics, and no
 * command prints them. Those of their codes that a start can fail with have a text all the same.
 */
const insideANode = [
  "node/media",
  "sdk/protocol/bitstream",
  "node/media-io/mp4",
  "transcoder/mpegts",
  "node/media-io/playout",
  "node/media-io/push",
  "node/media-io/pull",
  "node/media-io/restream",
  "node/media-io/rtmp",
  "node/media-io/rtsp",
  "node/media-io/srt",
  "node/media-io/webrtc",
  "node/media-io/whip",
  "node/media-io/whep",
  "node/metering",
  "node/wire",
  "node/kernel/net",
  "node/services/balancer",
  "node/services/buyer",
  "node/services/delivery",
  "node/services/ingest",
  "node/services/jobs",
  "node/services/payment",
  "node/services/pulling",
  "node/services/restreaming",
  "node/services/session",
  "node/services/transcoding",
  "transcoder/rtmp",
];

describe("the table of error texts", () => {
  const sources = readSources();
  const declared = listDeclaredCodes(sources);

  it("has a text for every code that the commands can print", () => {
    const reached = listReached(programs, sources);
    assert.ok(reached.size > 300, `only ${reached.size} files are reached`);
    const printed = declared.filter(
      ({ path }) => reached.has(path) && !insideANode.some((room) => path.startsWith(`${room}/`)),
    );
    assert.ok(new Set(printed.map(({ code }) => code)).size > 200);
    const without = printed.filter(({ code }) => errorTexts[code] === undefined);
    assert.deepEqual(
      without.map(({ code, path }) => `${code} of ${path}`),
      [],
    );
  });

  it("has a text for every code that leaves by HTTP", () => {
    const leaving = sources
      .filter(({ path }) => path.startsWith("node/http/"))
      .flatMap(({ text }) => [...text.matchAll(/\b([A-Z0-9]+_[A-Z0-9_]+): [1-5]\d\d\b/g)].map(([, code]) => code!));
    assert.ok(leaving.length > 40);
    assert.deepEqual(
      leaving.filter((code) => errorTexts[code] === undefined),
      [],
    );
  });

  it("leaves what happened to the thrower only where every thrower says it", () => {
    const bare = listBareThrows(sources).filter(({ code }) => {
      const text = errorTexts[code];
      return text !== undefined && text.happened === undefined;
    });
    assert.deepEqual(bare, []);
  });

  it("names facts that its code has, settings and pages that there are, and no code that is gone", () => {
    const facts = Map.groupBy(declared, ({ code }) => code);
    const settings = listSettings(sections);
    const keys = new Set(settings.map(({ key }) => key));
    const areas = new Set([...keys].map((key) => key.split(".")[0]!));
    const variables = new Set(settings.map(({ variable }) => variable));
    for (const [code, { happened = "", todo = "" }] of Object.entries(errorTexts)) {
      assert.ok(facts.has(code), `nothing throws ${code}`);
      const text = `${happened} ${todo}`;
      const known = facts.get(code)!.flatMap((one) => one.facts);
      for (const [, name] of text.matchAll(/\{(\w+)/g)) assert.ok(known.includes(name!), `${code} has no fact ${name}`);
      for (const [key, area] of text.matchAll(/\b([a-z0-9]+)(?:\.(?!md\b)[a-zA-Z]+)+\b/g)) {
        if (areas.has(area!)) assert.ok(keys.has(key), `${code} names the setting ${key}`);
      }
      for (const [variable] of text.matchAll(/\bLEAT_[A-Z_]+/g)) assert.ok(variables.has(variable), variable);
      for (const [page] of text.matchAll(/\bdocs\/[a-z0-9/-]+\.\w+/g)) assert.ok(existsSync(join(root, page)), page);
    }
  });

  it("says why for every code that the balancer ends a stream or an attempt with, and for none that is gone", () => {
    const texts = sources.filter(({ path }) => path.startsWith("node/")).map(({ path, text }) => ({ path, text }));
    const quoted = new Set(
      texts
        .filter(({ path }) => !path.startsWith("node/texts/"))
        .flatMap(({ text }) => [...text.matchAll(/"([A-Z]+_[A-Z_]+)"/g)].map(([, code]) => code!)),
    );
    assert.deepEqual(
      Object.keys(endTexts).filter((code) => !quoted.has(code)),
      [],
    );
    const ending = texts
      .filter(({ path }) => path.startsWith("node/services/balancer/"))
      .flatMap(({ text }) =>
        [...text.matchAll(/(?:(?:onEnd|endStream|fail|#close|#end|#tell)\(.*?|endCode: )"([A-Z]+_[A-Z_]+)"/g)].map(
          ([, code]) => code!,
        ),
      );
    assert.ok(ending.length > 8, `only ${ending}`);
    assert.deepEqual(
      ending.filter((code) => endTexts[code] === undefined),
      [],
    );
    assert.equal(describeEnd("NODE_LOST"), "NODE_LOST: the node was away for too long");
    assert.equal(describeEnd("constructor"), "constructor");
  });

  it("says what happened and what to do, with the facts", () => {
    const busy = new CodedError({ code: "UP_PORT_BUSY", port: 17_400, service: "the balancer" });
    assert.equal(
      explainError(busy),
      "another program listens on port 17400, which the balancer wants; stop it, or give another --port-base",
    );
    const short = new CodedError({
      code: "DEPLOY_GAS_SHORT",
      account: "0xaa",
      wantedWei: 2n * 10n ** 18n,
      foundWei: 5n * 10n ** 17n,
    });
    assert.match(explainError(short), /^the deployer 0xaa has 0\.5 ether, and up to 2 are needed; /);
    const unfunded = (neededExact: bigint) =>
      explainError(new CodedError({ code: "BUYER_UNFUNDED", token: "USDC", reserveExact: 0n, neededExact }));
    // What is to be put in is an amount that the token has.
    assert.match(unfunded(6_338_043_250_000_000n * 10n ** 12n), / 0\.006339 are needed to begin; /);
    assert.match(unfunded(2n * 10n ** 30n), / 2 are needed to begin; /);
    const said = new CodedError(
      { code: "SQL_OPEN_FAILED", location: "x", reason: "y" },
      { message: "the folder is no database" },
    );
    assert.match(explainError(said), /^the folder is no database; look /);
    const nested = new CodedError({
      code: "PUBLISH_INPUT_FAILED",
      cause: { code: "TRANSCODE_INPUT_MISSING", input: "/x" },
    });
    assert.equal(explainError(nested), "it cannot be published: there is no file /x; correct the path");
    assert.equal(explainError(new CodedError({ code: "LATER_CODE", held: 4n })), "held=4");
  });
});
