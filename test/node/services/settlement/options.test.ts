import assert from "node:assert/strict";
import { rulesOf, settlementOptions } from "../../../../node/services/settlement/options.ts";
import { defaultsOf } from "../../../support/defaults.ts";

describe("rules of settlement", () => {
  const day = 86_400;

  it("wait for no more than a part of a thaw, after which a voucher of an ended key is worth nothing", () => {
    const options = defaultsOf(settlementOptions);
    const short = rulesOf(options, 1_800);
    assert.deepEqual([short.maxAgeMs, short.maxPostponeMs], [450_000, 900_000]);
    const long = rulesOf(options, 28 * day);
    assert.deepEqual([long.maxAgeMs, long.maxPostponeMs], [options.maxAgeMs, options.maxPostponeMs]);
    const patient = rulesOf({ ...options, maxAgeMs: day * 1_000, maxPostponeMs: 2_419_200_000 }, day);
    assert.deepEqual([patient.maxAgeMs, patient.maxPostponeMs], [21_600_000, 43_200_000]);
  });
});
