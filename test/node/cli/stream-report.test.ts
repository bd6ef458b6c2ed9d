import assert from "node:assert/strict";
import { renderStream, sumCost } from "../../../node/cli/stream-report.ts";

const address = (digit: string) => `0x${digit.repeat(40)}` as const;
const usdc = { name: "USDC", token: address("a"), decimals: 6 };
const stream = {
  token: usdc.token,
  slug: "north-wind",
  state: "live",
  frames: "360",
  segments: 6,
  passthrough: false,
  source: null,
  pull: null,
  targets: [],
  health: null,
  endCode: null,
  refusals: [],
  audience: { viewers: 0, peakViewers: 0, peakAtMs: null, watchedMs: "0", servedBytes: "0" },
} as const;
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
  cost: {
    receipts: 6,
    paidUnits: "12",
    dueExact: (25n * 10n ** 21n).toString(),
    waitingExact: (5n * 10n ** 21n + 1n).toString(),
    droppedExact: "0",
  },
};

describe("report of a stream", () => {
  it("shows what this stream cost, and apart from it the totals of the channels under that name", () => {
    const second = { ...attempt, cost: { ...attempt.cost, waitingExact: "0", droppedExact: (10n ** 24n).toString() } };
    const jobs = [
      { part: "ingest", attempts: [attempt] },
      { part: "h264", attempts: [second] },
    ];
    const { receipts, ...amounts } = sumCost(jobs);
    assert.equal(receipts, 12);
    const each = 10n ** 21n;
    assert.deepEqual(amounts, { dueExact: 50n * each, waitingExact: 5n * each + 1n, droppedExact: 1_000n * each });
    const lines = renderStream(stream, jobs, [payment], [usdc]).split("\n");
    const [titles, row] = lines.slice(2, 4).map((line) => line.split(/ {2,}/));
    assert.equal(row![titles!.indexOf("cost in USDC")], "0.000000031");
    const at = lines.indexOf("this stream cost 0.000000056 USDC until now, by 12 receipts");
    assert.ok(at > 4);
    assert.deepEqual(lines.slice(at + 1, at + 5), [
      "of it 0.000000006 wait until the work is checked",
      "besides, 0.000001 are paid by nobody: bad or unchecked work",
      "",
      "in all of the channels that pay for it, since each began and for other streams too:",
    ]);
    const none = renderStream(stream, [], [], [usdc]).split("\n\n").slice(-2);
    assert.deepEqual(none, ["this stream cost nothing yet", "no channel pays for it yet"]);
  });

  it("shows costs of attempts that add up to what the stream is shown to cost", () => {
    const one = { ...attempt.cost, dueExact: (4n * 10n ** 20n).toString(), waitingExact: "0" };
    const jobs = ["ingest", "h264", "vp9"].map((part) => ({ part, attempts: [{ ...attempt, cost: one }] }));
    const lines = renderStream(stream, jobs, [], [usdc]).split("\n");
    const [titles, ...rows] = lines.slice(2, 6).map((line) => line.split(/ {2,}/));
    assert.deepEqual(
      rows.map((row) => row[titles!.indexOf("cost in USDC")]),
      ["0.000000001", "0", "0.000000001"],
    );
    assert.ok(lines.includes("this stream cost 0.000000002 USDC until now, by 18 receipts"));
  });

  it("shows channels in whole tokens by their name, and base units only of a token that nobody knows", () => {
    const known = renderStream(stream, [], [payment], [usdc]).split("\n").at(-1)!;
    assert.deepEqual(known.split(/ {2,}/), [address("1"), address("2"), "USDC", "1.250001", "1"]);
    const unknown = renderStream(stream, [], [{ ...payment, token: address("9") }], [usdc]);
    assert.match(unknown, new RegExp(`base units of ${address("9")} +1250001 +1000000$`));
    const unasked = renderStream(stream, [], [payment], [{ ...usdc, decimals: undefined }]);
    assert.match(unasked, /base units of USDC +1250001 +1000000$/);
  });

  it("says why the picture as it came in is no rung, where that was asked for", () => {
    const linesOf = (codec: "h264" | "vp8", passthrough: boolean) => {
      const source = { video: { codec, codecString: codec, width: 64, height: 48 } };
      return renderStream({ ...stream, passthrough, source }, [], [], [usdc]).split("\n");
    };
    const isSaid = (lines: readonly string[]) => lines.some((line) => line.startsWith("STREAM_SOURCE_LEFT_OUT: "));
    assert.deepEqual([linesOf("vp8", true), linesOf("vp8", false), linesOf("h264", true)].map(isSaid), [
      true,
      false,
      false,
    ]);
  });

  it("says what is checked wherever it shows how much", () => {
    const text = renderStream(stream, [{ part: "primary", attempts: [attempt] }], [], [usdc]);
    assert.match(text, /^stream north-wind is live: 360 frames in 6 segments$/m);
    assert.match(text, /^checked: .*\n.*the share of them that the cluster samples.*\n/m);
    assert.doesNotMatch(renderStream(stream, [], [], [usdc]), /checked/);
  });

  it("says why it ended, why an attempt did, and why nobody does a part", () => {
    const lost = { ...attempt, state: "failed", endCode: "NODE_LOST" };
    const over = { ...stream, state: "ended", endCode: "STREAM_RESERVE_SPENT" } as const;
    const text = renderStream(over, [{ part: "h264", attempts: [lost, lost] }], [], [usdc]);
    assert.match(text, /^it ended with STREAM_RESERVE_SPENT: the reserve of its buyer is used up/m);
    assert.match(text, /^h264 +0x3+ +failed +5 .* +NODE_LOST$/m);
    assert.equal(text.match(/^NODE_LOST: the node was away for too long$/gm)?.length, 1);
    const refusals = [{ part: "ingest", code: "BUYER_AGENT_ABSENT", atMs: Date.UTC(2026, 0, 2, 3, 4, 5) }];
    const refused = renderStream({ ...stream, state: "created", refusals }, [], [], [usdc]);
    const said =
      "nobody works for it\n\nnobody does ingest, last tried 2026-01-02 03:04:05 UTC: BUYER_AGENT_ABSENT: nobody is";
    assert.ok(refused.includes(said), refused);
    const unread = [{ part: "ingest", code: "RTMP_CODEC_UNSUPPORTED", atMs: Date.UTC(2026, 0, 2, 3, 4, 5) }];
    const taking = [{ part: "ingest", attempts: [lost, { ...attempt, state: "running" }] }];
    assert.match(
      renderStream({ ...stream, refusals: unread }, taking, [], [usdc]),
      /^ingest takes nothing of what comes, last tried 2026-01-02 03:04:05 UTC: RTMP_CODEC_UNSUPPORTED: /m,
    );
    const later = renderStream({ ...over, endCode: "LATER_CODE" }, [], [], [usdc]);
    assert.match(later, /^it ended with LATER_CODE$/m);
  });

  it("says what came of its viewers", () => {
    const audience = { viewers: 2, peakViewers: 3, peakAtMs: 1, watchedMs: "61000", servedBytes: "5" };
    const text = renderStream({ ...stream, audience }, [], [], [usdc]);
    assert.match(
      text,
      /^by the word of its edges, .*: 2 watching now, 3 at most at .*, 0:01:01 watched, 5 bytes served, your agent's looks included$/m,
    );
    assert.doesNotMatch(renderStream(stream, [], [], [usdc]), /watching/);
  });

  it("says which of the drawn order took a stream in, and why", () => {
    const [one, two] = [address("3"), address("5")];
    const taken = (nodes: readonly `0x${string}`[]) => {
      const jobs = [{ part: "ingest", attempts: nodes.map((node) => ({ ...attempt, node })) }];
      return renderStream(stream, jobs, [], [usdc], new Map([[attempt.selection, [one, two]]]));
    };
    const second = `${two}: second of the drawn order of its decision, used`;
    assert.ok(taken([one, two]).includes(`\n${second} after the first had the stream\n`));
    assert.ok(taken([two]).includes(`\n${second} though the first did not have the stream: its publisher chose it\n`));
    assert.doesNotMatch(taken([one]), /drawn order/);
  });

  it("says how the source does, and what is wrong with it", () => {
    const good = {
      videoBitrate: 2_650_400,
      audioBitrate: 128_000,
      frameRate: 29.97,
      keyIntervalMs: 2_002,
      pace: 1,
      driftMs: -3,
      missingPictures: 0,
      silentMs: 20,
      videoBehindMs: 0,
      audioBehindMs: 12,
      leftOut: null,
      heardAtMs: 1,
      state: "good",
      faults: [],
    } as const;
    const show = (health: Omit<typeof good, "faults"> & { readonly faults: readonly ("slow" | "sound-stopped")[] }) =>
      renderStream({ ...stream, health }, [], [], [usdc]);
    const numbers = "29.97 pictures a second at 2650 kb/s, sound at 128 kb/s, a key frame every 2.0 s";
    assert.ok(show(good).includes(`what comes in is good: ${numbers}, 3 ms earlier than at first`));
    const late = renderStream({ ...stream, health: { ...good, driftMs: 17 } }, [], [], [usdc]);
    assert.ok(late.includes("17 ms later than at first"));
    assert.match(show({ ...good, faults: ["slow"] }), /^what comes in is poor, less comes than real time needs/m);
    assert.match(show({ ...good, faults: ["sound-stopped"] }), /^what comes in is poor, pictures come and no sound:/m);
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
    const over = { ...stream, targets, state: "ended", endCode: "STREAM_ENDED" } as const;
    const ended = renderStream(over, [], [], [usdc]);
    assert.match(ended, /^was sent on to one at rtmp:\/\/live.example\/\*\*\*$/m);
    assert.match(ended, /^was sent on to two at .*, not in the end: RESTREAM_LOST$/m);
    assert.doesNotMatch(renderStream({ ...over, frames: "0" }, [], [], [usdc]), /sent on/, "nothing came");
    const lost = renderStream({ ...stream, pull: { ...pull, code: "PULL_IDLE" } }, [], [], [usdc]);
    assert.match(lost, /live.ts, of which nothing comes: PULL_IDLE$/m);
  });
});
