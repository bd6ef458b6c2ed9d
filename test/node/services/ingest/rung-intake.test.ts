import assert from "node:assert/strict";
import { RungIntake } from "@leat/node/services/ingest/rung-intake.ts";
import type { FrameMessage } from "@leat/node/wire/media/message.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { plainConfig } from "../../../support/plain-config.ts";

const described = { type: "config", rung: 1, version: 0, config: plainConfig } as const;

describe("what a transcoder sends", () => {
  it("is in no codec that sources alone have", () => {
    const config = { ...plainConfig, codec: "vp8" } as const;
    const take = () => new RungIntake(new Set([1]), 1_000).takeConfig({ type: "config", rung: 1, version: 0, config });
    assert.throws(take, codeOf("INGEST_MESSAGE_UNEXPECTED"));
  });

  it("is of no rung but those of its job", () => {
    const take = () => new RungIntake(new Set([1]), 1_000).takeConfig({ ...described, rung: 2 });
    assert.throws(take, codeOf("INGEST_MESSAGE_UNEXPECTED"));
  });

  it("has no tags: they would pass for the publisher's", () => {
    const intake = new RungIntake(new Set([1]), 1_000);
    intake.takeConfig(described);
    const place = { epoch: 0, dts: 0, pts: 0, duration: 3_000, key: true, configVersion: 0, arrivalMs: 0 };
    const frame = { kind: "video", ...place, data: Uint8Array.of(1) } as const;
    const message: FrameMessage = { type: "frame", rung: 1, sequence: 0, frame };
    const tagged = { ...message, frame: { ...frame, tags: [{ pts: 0, tag: Uint8Array.of(1) }] } };
    assert.throws(() => intake.takeFrame(tagged), codeOf("INGEST_MESSAGE_UNEXPECTED"));
    assert.equal(intake.takeFrame(message).frame, frame);
    assert.equal(intake.close(0)[0]!.frames.length, 1);
  });
});
