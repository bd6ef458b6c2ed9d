import assert from "node:assert/strict";
import { describeAudience } from "../../../node/cli/audience-report.ts";

const audience = {
  viewers: 3,
  peakViewers: 12,
  peakAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  watchedMs: "363909999",
  servedBytes: "1299999999",
};

describe("report of an audience", () => {
  it("says who watches now and at most, and what viewers got, and whose word that is", () => {
    const by = "by the word of its edges, which nobody is paid by: ";
    const rest = "12 at most at 2026-01-02 03:04:05 UTC, 101:05:09 watched, 1.2 GB served, your agent's looks included";
    assert.deepEqual(describeAudience({ audience, state: "live" }), [`${by}3 watching now, ${rest}`]);
    const left = { ...audience, viewers: 0 };
    assert.deepEqual(describeAudience({ audience: left, state: "live" }), [`${by}nobody watching now, ${rest}`]);
    assert.deepEqual(describeAudience({ audience: left, state: "ended" }), [`${by}${rest}`]);
  });

  it("says nothing of a stream that nobody ever got anything of, and no peak of one that was only looked at", () => {
    const none = { viewers: 0, peakViewers: 0, peakAtMs: null, watchedMs: "0", servedBytes: "0" };
    assert.deepEqual(describeAudience({ audience: none, state: "live" }), []);
    const [said] = describeAudience({ audience: { ...none, servedBytes: "999" }, state: "ended" });
    assert.match(said!, /: never a viewer, 0:00:00 watched, 999 bytes served, /);
  });

  it("counts bytes in what people read", () => {
    const served = (servedBytes: string) =>
      /, ([^,]+) served,/.exec(describeAudience({ audience: { ...audience, servedBytes }, state: "live" })[0]!)![1];
    const shown = ["1000", "999999", "1000000", "1000000000000000000"].map(served);
    assert.deepEqual(shown, ["1.0 kB", "999.9 kB", "1.0 MB", "1000.0 PB"]);
  });
});
