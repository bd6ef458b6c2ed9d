import assert from "node:assert/strict";
import { costsOf, listIngest, renderCreated } from "@leat/node/cli/created-report.ts";

const exact = (millionths: bigint) => (millionths * 10n ** 24n).toString();
const created = {
  id: `0x${"1".repeat(64)}` as const,
  slug: "north-wind",
  streamKey: "key",
  ingestUrls: ["rtmp://a.example/live/key", "rtmp://b.example/live/key"],
  whipUrls: [],
  pushUrls: [],
  srtUrls: ["srt://a.example:9000?streamid=x"],
  playbackUrl: "https://cluster.example/play/north-wind",
  frontDoorUrl: "https://cluster.example/ingest/key",
  estimate: {
    ingestPerMinuteExact: exact(30n),
    transcodePerMinuteExact: exact(1_500n),
    deliveryPerGigabyteExact: exact(30_000n),
    deliveryMostExact: exact(60_000n),
  },
  warnings: [],
};
const how = { token: "USDC", source: undefined, budgetBytes: 2_000_000_000n };

describe("report of a stream that was made", () => {
  it("says what it costs a minute and an hour in the token, and the most by its budget", () => {
    const costs = costsOf(created.estimate);
    assert.deepEqual(costs, {
      perMinute: { ingest: "0.00003", transcode: "0.0015", together: "0.00153" },
      perHour: { ingest: "0.0018", transcode: "0.09", together: "0.0918" },
      deliveryPerGigabyte: "0.03",
      deliveryAtMost: "0.06",
    });
    const lines = renderCreated(created, how).split("\n");
    const rows = lines.map((line) => line.split(/ {2,}/));
    assert.ok(lines.includes("while it is live it costs about, in USDC:"));
    assert.ok(rows.some((row) => row.join() === "together,0.00153,0.0918"));
    assert.equal(
      lines.at(-1),
      "delivery costs 0.03 USDC for a gigabyte, and at most 0.06 USDC in all: --budget 2000000000",
    );
    const unpaid = renderCreated(created, { ...how, budgetBytes: 0n })
      .split("\n")
      .at(-1)!;
    assert.match(unpaid, /and at most nothing: without --budget people can watch, and you pay for none of them: /);
  });

  it("lists every way to publish, each with what to try next", () => {
    assert.deepEqual(listIngest({ ...created, whipUrls: ["http://a.example/whip/key"] }), [
      "publish to rtmp://a.example/live/key",
      "or, if that fails, to rtmp://b.example/live/key",
      "by WHIP to http://a.example/whip/key",
      "by SRT to srt://a.example:9000?streamid=x",
    ]);
  });

  it("shows parts that add up to what is shown together", () => {
    const tiny = (4n * 10n ** 20n).toString();
    const costs = costsOf({ ...created.estimate, ingestPerMinuteExact: tiny, transcodePerMinuteExact: tiny });
    assert.deepEqual(costs.perMinute, { ingest: "0.000000001", transcode: "0", together: "0.000000001" });
  });

  it("tells what may not be as it was meant", () => {
    const warnings = [
      { code: "STREAM_REGION_EMPTY", region: "mars", regions: ["eu", "us"] },
      { code: "STREAM_BUDGET_ABOVE_RESERVE", budgetExact: exact(60_000n), reserveExact: exact(50_000n) },
      { code: "STREAM_AGENT_ABSENT" },
    ] as const;
    const [region, budget, agent] = renderCreated({ ...created, warnings }, how)
      .split("\n\n")
      .slice(-3);
    assert.match(region!, /^STREAM_REGION_EMPTY: no node of the cluster is in mars, nodes are in eu, us; /);
    assert.match(agent!, /^STREAM_AGENT_ABSENT: nobody is connected who signs vouchers for the account, .*; start the/);
    assert.match(
      budget!,
      /^STREAM_BUDGET_ABOVE_RESERVE: the budget is worth up to 0\.06 USDC, and 0\.05 are reserved; /,
    );
  });

  it("lists ways in, or where its source is fetched", () => {
    const lines = renderCreated(created, how).split("\n");
    assert.deepEqual(lines.slice(1, 5), [
      "publish to rtmp://a.example/live/key",
      "or, if that fails, to rtmp://b.example/live/key",
      "by SRT to srt://a.example:9000?streamid=x",
      "the best of them at any time: https://cluster.example/ingest/key",
    ]);
    const pulled = renderCreated(created, { ...how, source: "its source is fetched" }).split("\n");
    assert.deepEqual(pulled.slice(1, 3), ["its source is fetched", "plays at https://cluster.example/play/north-wind"]);
  });
});
