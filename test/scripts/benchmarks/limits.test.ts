import assert from "node:assert/strict";
import { judgeLimits } from "../../../scripts/benchmarks/support/limits.ts";

describe("limits of benchmarks", () => {
  it("are kept by what is at them, and missed by name", () => {
    assert.equal(
      judgeLimits([
        { figure: "ratio", value: 1.5, most: 1.5 },
        { figure: "share", value: 0.3, least: 0.3 },
      ]),
      undefined,
    );
    const error = judgeLimits([
      { figure: "ratio", value: 1.51, most: 1.5 },
      { figure: "share", value: 0.29, least: 0.3 },
      { figure: "kept", value: 1, most: 2 },
      { figure: "delay", value: Number.NaN, most: 20 },
    ]);
    assert.equal(error?.code, "BENCH_LIMIT_MISSED");
    assert.equal(
      error.message,
      "ratio is 1.51, at most 1.5 is wanted; share is 0.29, at least 0.3 is wanted; delay is NaN, at most 20 is wanted",
    );
  });
});
