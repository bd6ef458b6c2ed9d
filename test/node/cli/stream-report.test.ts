import assert from "node:assert/strict";
import { renderStream } from "../../../node/cli/stream-report.ts";

const address = (digit: string) => `0x${digit.repeat(40)}` as const;
const usdc = { name: "USDC", token: address("a"), decimals: 6 };
const stream = { slug: "north-wind", state: "live", frames: "360", segments: 6, pull: null, targets: [] } as const;
const payment = {
  payer: address("1"),
  payee: address("2"),
  token: address("A") as `0x${string}`,
  vouchered: "1250001",
  collected: "1000000",
  transaction: null,
};
const attempt = {
  attempt: 1,
  node: address("3"),
  state: "done",
  selection: address("4"),
  checked: 5,
  failed: 0,
  endCode: null,
};

describe("report of a stream", () => {
  it("shows what was paid in whole tokens by their name, and base units only of a token that nobody knows", () => {
    const known = renderStream(stream, [], [payment], [usdc]).split("\n").at(-1)!;
    assert.deepEqual(known.split(/ {2,}/), [address("1"), address("2"), "USDC", "1.250001", "1"]);
    const unknown = renderStream(stream, [], [{ ...payment, token: address("9") }], [usdc]);
    assert.match(unknown, new RegExp(`base units of ${address("9")} +1250001 +1000000$`));
  });

  it("says what is checked wherever it shows how much", () => {
    const text = renderStream(stream, [{ part: "primary", attempts: [attempt] }], [], [usdc]);
    assert.match(text, /^stream north-wind is live: 360 frames in 6 segments$/m);
    assert.match(text, /^checked: .*\n.*the share of them that the cluster samples.*\n/m);
    assert.doesNotMatch(renderStream(stream, [], [], [usdc]), /checked/);
  });

  it("says where a pulled stream comes from, and why nothing does", () => {
    const pull = { url: "http://camera.example/live.ts", when: "always", code: null } as const;
    assert.match(renderStream({ ...stream, pull }, [], [], [usdc]), /^pulled from http:\/\/camera.example\/live.ts$/m);
    const url = "rtmp://live.example/***";
    const targets = [
      { name: "one", url, rung: null, code: null },
      { name: "two", url, rung: null, code: "RESTREAM_LOST" },
    ];
    const sentOn = renderStream({ ...stream, targets }, [], [], [usdc]);
    assert.match(sentOn, /sent on to one at rtmp:\/\/live.example\/\*\*\*\n/);
    assert.match(sentOn, /sent on to two at .*, not now: RESTREAM_LOST/);
    const lost = renderStream({ ...stream, pull: { ...pull, code: "PULL_IDLE" } }, [], [], [usdc]);
    assert.match(lost, /live.ts, of which nothing comes: PULL_IDLE$/m);
  });
});
