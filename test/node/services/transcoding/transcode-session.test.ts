import assert from "node:assert/strict";
import { type SessionComponents, TranscodeSession } from "@leat/node/services/transcoding/transcode-session.ts";
import type { MediaConnection } from "@leat/node/wire/media/message.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { LiveTranscodeEvents } from "@leat/transcoder/supervisor.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { plainConfig } from "../../../support/plain-config.ts";

/** What becomes of a session that is sent one picture, and then nothing. */
async function runWith(frame: Frame): Promise<{ run: Promise<void>; encoded: number }> {
  async function* send() {
    yield { type: "accepted" };
    yield { type: "config", rung: SOURCE_RUNG, version: 0, config: plainConfig };
    yield { type: "frame", rung: SOURCE_RUNG, sequence: 0, frame };
  }
  let encoded = 0;
  const connection = { messages: send(), send: async () => {}, abort: () => {} };
  const startTranscode = (_: unknown, { exit }: LiveTranscodeEvents) => ({
    kill: () => exit(undefined),
    push: async () => {
      encoded += 1;
    },
  });
  const session = new TranscodeSession(
    { spec: { rungs: [] } } as never,
    connection as unknown as MediaConnection,
    { startTranscode } as unknown as SessionComponents,
    { outgoingBytes: 1_000, creditWaitMs: 1, verdictWaitMs: 1 },
    { nextSequence: 0, begun: null, unjudged: new Map() },
  );
  const run = session.run();
  await run.catch(() => {});
  return { run, encoded };
}

describe("what an origin sends a transcoder", () => {
  it("has no tags: those that it signs for and is compared by have none", async () => {
    const place = { epoch: 0, dts: 0, pts: 0, duration: 3_000, key: true, configVersion: 0, arrivalMs: 0 };
    const frame = { kind: "video", ...place, data: Uint8Array.of(1) } as const;
    const plain = await runWith(frame);
    await assert.rejects(plain.run, codeOf("TRANSCODING_ORIGIN_LOST"));
    const tagged = await runWith({ ...frame, tags: [{ pts: 0, tag: Uint8Array.of(1) }] });
    await assert.rejects(tagged.run, codeOf("TRANSCODING_MESSAGE_UNEXPECTED"));
    assert.deepEqual([plain.encoded, tagged.encoded], [1, 0]);
  });
});
