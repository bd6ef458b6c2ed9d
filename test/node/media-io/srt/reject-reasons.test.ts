import assert from "node:assert/strict";
import { rejectReasonOf } from "@leat/node/media-io/srt/reject-reasons.ts";

describe("what SRT tells a caller that is refused", () => {
  const reasons = {
    JOB_CAPACITY_SHORT: 1_402,
    BUYER_AGENT_ABSENT: 1_403,
    PRICE_ABOVE_CEILING: 1_403,
    INGEST_LEASE_LOST: 1_409,
    MPEGTS_CODEC_UNSUPPORTED: 1_415,
    UNHEARD_OF: 1_500,
    INGEST_NODE_UNPAID: 1_503,
    INGEST_STOPPED: 1_503,
  };

  it("is a number of its access control", () => {
    for (const [code, reason] of Object.entries(reasons)) assert.equal(rejectReasonOf(code), reason, code);
  });
});
