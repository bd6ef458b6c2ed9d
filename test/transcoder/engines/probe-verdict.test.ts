import assert from "node:assert/strict";
import { encodingSeconds } from "@leat/transcoder/engines/probe-verdict.ts";

describe("verdict of a probe", () => {
  it("times software by the processor where that was held by others, and a chip by what passed", () => {
    assert.equal(encodingSeconds("libx264", 0.4, 0.1), 0.1);
    // Several threads took more than passed.
    assert.equal(encodingSeconds("libsvtav1", 0.2, 0.5), 0.2);
    assert.equal(encodingSeconds("h264_nvenc", 0.4, 0.1), 0.4);
    assert.equal(encodingSeconds("livepeer", 0.4, 0), 0.4);
  });
});
