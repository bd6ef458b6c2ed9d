import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { OwnSegment } from "@leat/node/services/delivery/own-segment.ts";
import { type IncomingSegment, SegmentVerifier } from "@leat/node/services/delivery/segment-verifier.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { OwnPartMark } from "@leat/node/services/jobs/own-part-mark.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { MediaMessage, SegmentEndMessage, SegmentStartMessage } from "@leat/node/wire/media/message.ts";
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

async function publishedMessages(isOwn = false): Promise<MediaMessage[]> {
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
  for await (const message of log.readFrom(0, new AbortController().signal, isOwn)) messages.push(message);
  return messages;
}

function verify(messages: readonly MediaMessage[], origin = signer.address, isOwn = false) {
  const rules = { stream, origin, statements: nativeStatements, domain, partTargetMs: 250, maxBytes: 1_000 };
  let verifier: IncomingSegment | undefined;
  for (const message of messages) {
    if (message.type === "segmentStart")
      verifier = isOwn ? new OwnSegment(message, config) : new SegmentVerifier(message, config, rules);
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

  describe("of this node's own origin", () => {
    it("takes the parts as their marks bring them, and packs none again", async () => {
      const messages = await publishedMessages(true);
      const marks = messages.filter((message) => message instanceof OwnPartMark);
      const own = verify(messages, signer.address, true);
      assert.equal(marks.length, 5);
      for (const [at, { packed }] of marks.entries()) assert.equal(own.parts[at], packed);
      assert.deepEqual(own, verify(await publishedMessages()));
    });

    it("gives a part once its next frame is there, as every edge does, and the last with the end", async () => {
      const given = (isOwn: boolean, messages: readonly MediaMessage[]) => {
        const [, first, ...rest] = messages as [MediaMessage, SegmentStartMessage, ...MediaMessage[]];
        const rules = { stream, origin: signer.address, domain, partTargetMs: 250, maxBytes: 1_000 };
        const segment = isOwn
          ? new OwnSegment(first, config)
          : new SegmentVerifier(first, config, { ...rules, statements: nativeStatements });
        const steps: unknown[] = [];
        for (const message of rest) {
          if (message.type === "frame") steps.push(segment.push(message.frame)?.index);
          if (message.type === "partMark") segment.mark(message);
        }
        return [...steps, segment.restartPart()];
      };
      const open = async (isOwn: boolean) => (await publishedMessages(isOwn)).slice(0, -2);
      const seen = given(true, await open(true));
      assert.deepEqual(seen, given(false, await open(false)));
      assert.deepEqual([seen.filter((index) => index !== undefined), seen.at(-1)], [[0, 1, 2, 3, 2], 2]);
    });

    it("takes no mark that another process may have made, none out of turn, and no end too early", async () => {
      const messages = await publishedMessages(true);
      const isMark = (message: MediaMessage, part: number) => message.type === "partMark" && message.part === part;
      const sent = messages.map((message) => (isMark(message, 4) ? ({ ...message } as MediaMessage) : message));
      assert.throws(() => verify(sent, signer.address, true), { code: "DELIVERY_PART_ALTERED" });
      const without = (part: number) => messages.filter((message) => !isMark(message, part));
      assert.throws(() => verify(without(1), signer.address, true), { code: "DELIVERY_PART_ALTERED" });
      assert.throws(() => verify(without(4), signer.address, true), { code: "DELIVERY_PART_UNMARKED" });
    });
  });
});
