import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { SegmentVerifier } from "@leat/node/services/delivery/segment-verifier.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { MediaMessage, SegmentEndMessage } from "@leat/node/wire/media/message.ts";
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
  log.close();
  const messages: MediaMessage[] = [];
  for await (const message of log.readFrom(0, new AbortController().signal)) messages.push(message);
  return messages;
}

function verify(messages: readonly MediaMessage[], origin = signer.address) {
  const rules = {
    stream,
    origin,
    statements: nativeStatements,
    domain,
    partTargetMs: 250,
    findsCaptions: false,
    maxBytes: 1_000,
  };
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

  it("takes no end before the one that the origin signed", async () => {
    const messages = await publishedMessages();
    const end = messages.at(-1) as SegmentEndMessage;
    const marks = messages.filter((message) => message.type === "partMark");
    // As if it had three parts, of seven pictures each.
    const cut = messages.slice(0, messages.indexOf(marks[2]!) + 1);
    const finish = (signature?: Uint8Array) => {
      const { signature: _, ...facts } = end;
      return verify([...cut, { ...facts, frames: 21, ...(signature && { signature }) }]);
    };
    assert.throws(() => finish(), { code: "DELIVERY_PART_UNMARKED" });
    for (const signature of [end.signature!, marks[2]!.signature, marks[3]!.signature]) {
      assert.throws(() => finish(signature), { code: "STATEMENT_SIGNER_WRONG" });
    }
    assert.throws(() => verify([...messages.slice(0, -1), { ...end, signature: marks[4]!.signature }]), {
      code: "STATEMENT_SIGNER_WRONG",
    });
  });

  it("takes no mark twice, and none out of turn", async () => {
    const messages = await publishedMessages();
    const markOf = (part: number) =>
      messages.find((message) => message.type === "partMark" && message.part === part) as MediaMessage;
    for (const [part, behind] of [
      [0, 2],
      [1, 1],
      [3, 1],
    ] as const) {
      const at = messages.indexOf(markOf(behind));
      const sent = [...messages.slice(0, at), markOf(part), ...messages.slice(at)];
      assert.throws(() => verify(sent), { code: "DELIVERY_PART_ALTERED" }, `${part} before ${behind}`);
    }
  });
});
