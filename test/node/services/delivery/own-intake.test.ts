import assert from "node:assert/strict";
import { EdgeStream, keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import { OwnIntake } from "@leat/node/services/delivery/own-intake.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { OwnPartMark } from "@leat/node/services/jobs/own-part-mark.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";
import { domain, frameOf, framesPerSegment, rendition, signer, stream } from "../../../support/published-segments.ts";

describe("what a node serves that is the stream's origin too", () => {
  let log: PublishedLog;
  let served: EdgeStream;
  let intake: OwnIntake;
  let whole: number;

  beforeEach(() => {
    log = new PublishedLog({
      stream,
      signer: { ...signer, sign: () => assert.fail("no mark is signed for this node itself") },
      domain,
      partTargetMs: () => 250,
      keptSegments: 20,
      onFault: assert.ifError,
    });
    served = new EdgeStream(keepPart, { id: stream, slug: "slug-slug", policy: { type: "public" } });
    served.describe([rendition], 250);
    whole = 0;
    intake = new OwnIntake({ stream: served, onServed: () => {}, onSegment: () => (whole += 1) });
  });

  function open(sequence: number): void {
    log.open({ rung: 1, sequence, epoch: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0, config });
  }

  function publish(sequence: number, frames = framesPerSegment): void {
    open(sequence);
    for (let at = 0; at < frames; at += 1) log.push(1, frameOf(sequence, at));
    if (frames === framesPerSegment) log.end(1);
  }

  /** What is there by now, and no more. */
  async function read(): Promise<MediaMessage[]> {
    const messages: MediaMessage[] = [];
    const enough = new AbortController();
    const reading = (async () => {
      for await (const message of log.readFrom(0, enough.signal, true)) messages.push(message);
    })();
    await new Promise(setImmediate);
    enough.abort();
    await assert.rejects(reading, { name: "AbortError" });
    return messages;
  }

  it("is the parts that it packed, served as soon as they are whole, the last of a segment with its end", async () => {
    publish(0, framesPerSegment - 1);
    for (const message of await read()) intake.take(message);
    const marks = (await read()).filter((message) => message instanceof OwnPartMark);
    assert.ok(marks.length > 0);
    for (const { packed } of marks) assert.equal(served.partBytes(1, 0, packed.index), packed.bytes);
    assert.equal(served.window.isOpen(rendition.name, 0), true);
    log.push(1, frameOf(0, framesPerSegment - 1));
    log.end(1);
    const messages = await read();
    const last = messages.findLast((message) => message instanceof OwnPartMark)!;
    const behind = messages.slice(messages.indexOf(last));
    intake.take(last);
    assert.equal(served.partBytes(1, 0, last.packed.index), undefined);
    for (const message of behind) intake.take(message);
    assert.deepEqual([whole, served.window.isOpen(rendition.name, 0)], [1, false]);
    const [segment] = served.window.held(1);
    assert.deepEqual([segment!.frames, segment!.parts.length], [framesPerSegment, last.packed.index + 1]);
  });

  it("takes nothing a second time where it begins anew", async () => {
    for (const sequence of [0, 1, 2]) publish(sequence);
    const messages = await read();
    for (const message of messages.slice(0, -2)) intake.take(message);
    const again = new OwnIntake({ stream: served, onServed: () => {}, onSegment: () => (whole += 1) });
    for (const message of messages) again.take(message);
    assert.equal(whole, 3);
    assert.deepEqual(
      served.window.held(1).map(({ sequence, frames }) => [sequence, frames]),
      [0, 1, 2].map((sequence) => [sequence, framesPerSegment]),
    );
  });

  it("is served as far as it went where nobody could finish a segment", async () => {
    publish(0, framesPerSegment - 1);
    log.restartPart(1);
    log.end(1);
    publish(1);
    const messages = await read();
    for (const message of messages) intake.take(message);
    const [short, next] = served.window.held(1);
    assert.ok(short!.frames > 0 && short!.frames < framesPerSegment, `${short!.frames}`);
    assert.equal(next!.frames, framesPerSegment);
  });

  it("says why its origin refuses it", () => {
    assert.throws(() => intake.take({ type: "refused", code: "INGEST_STREAM_NOT_READY" }), {
      code: "DELIVERY_ORIGIN_REFUSED",
    });
  });
});
