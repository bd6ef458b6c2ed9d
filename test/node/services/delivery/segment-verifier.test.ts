import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { SegmentVerifier } from "@leat/node/services/delivery/segment-verifier.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const stream: Hex = `0x${"5e".repeat(32)}`;
const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
const signer = nativeStatements.createSigner(new Uint8Array(32).fill(7));
const stranger = nativeStatements.createSigner(new Uint8Array(32).fill(8));
const frames: Frame[] = Array.from({ length: 30 }, (_, index) => ({
  kind: "video",
  epoch: 0,
  dts: index * 3_000,
  pts: index * 3_000,
  duration: 3_000,
  key: index === 0,
  configVersion: 0,
  arrivalMs: 0,
  data: Uint8Array.of(index, 1, 2, 3),
}));

async function publishedMessages(): Promise<MediaMessage[]> {
  const log = new PublishedLog({
    stream,
    signer,
    domain,
    partTargetMs: () => 250,
    keptSegments: 5,
    onFault: assert.ifError,
  });
  log.open({ rung: 1, sequence: 3, epoch: 0, firstFrame: 90, discontinuity: false, wallClockMs: 0, config });
  for (const frame of frames) log.push(1, frame);
  log.end(1);
  await log.close();
  const messages: MediaMessage[] = [];
  for await (const message of log.readFrom(0, new AbortController().signal)) messages.push(message);
  return messages;
}

function verify(messages: readonly MediaMessage[], origin = signer.address, isOwn = false) {
  const rules = { stream, origin, isOwn, statements: nativeStatements, domain, partTargetMs: 250, maxBytes: 1_000 };
  let verifier: SegmentVerifier | undefined;
  for (const message of messages) {
    if (message.type === "segmentStart") verifier = new SegmentVerifier(message, config, rules);
    if (message.type === "frame") verifier!.push(message.frame);
    if (message.type === "partMark") verifier!.mark(message);
    if (message.type === "segmentEnd") return verifier!.finish(message);
  }
  throw new Error("no end");
}

describe("segment verifier", () => {
  it("makes the parts that the origin made, and takes no other signer", async () => {
    const messages = await publishedMessages();
    const packed = packSegment({ rung: 1, sequence: 3, config, frames, partTargetMs: 250 });
    assert.deepEqual(
      verify(messages).parts.map(({ sha256 }) => sha256),
      packed.parts.map(({ sha256 }) => sha256),
    );
    assert.throws(() => verify(messages, stranger.address), { code: "STATEMENT_SIGNER_WRONG" });
  });

  it("finds an altered byte within its part", async () => {
    const messages = (await publishedMessages()).map((message): MediaMessage => {
      if (message.type !== "frame" || message.frame.dts !== 30_000) return message;
      return { ...message, frame: { ...message.frame, data: Uint8Array.of(10, 1, 2, 4) } };
    });
    assert.throws(() => verify(messages), { code: "DELIVERY_PART_ALTERED" });
    assert.throws(() => verify(messages, signer.address, true), { code: "DELIVERY_PART_ALTERED" });
  });

  it("recovers no signature of its own node", async () => {
    const messages = await publishedMessages();
    assert.equal(verify(messages, stranger.address, true).frames, frames.length);
  });

  it("takes no part without its mark, and no more bytes than a segment may have", async () => {
    const messages = await publishedMessages();
    const unmarked = messages.filter((message) => message.type !== "partMark" || message.part !== 1);
    assert.throws(() => verify(unmarked), { code: "DELIVERY_PART_UNMARKED" });
    const large = messages.map((message): MediaMessage => {
      return message.type === "frame"
        ? { ...message, frame: { ...message.frame, data: new Uint8Array(100) } }
        : message;
    });
    assert.throws(() => verify(large), { code: /DELIVERY_(SEGMENT_TOO_LARGE|PART_ALTERED)/ });
  });
});
