import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { OwnPartMark } from "@leat/node/services/jobs/own-part-mark.ts";
import { decodeMediaMessage, encodeMediaMessage } from "@leat/node/wire/media/codec.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { progressStructure } from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const place = { rung: 1, epoch: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0, config };

describe("published log", () => {
  const broken = new Error("no signature");
  const honest = nativeStatements.createSigner(new Uint8Array(32).fill(7));
  let signings: number;
  let failsAt: number;
  let faults: unknown[];
  let ended: number;
  let log: PublishedLog;

  beforeEach(() => {
    [signings, failsAt, faults, ended] = [0, 3, [], 0];
    const sign = async (...statement: Parameters<StatementSigner["sign"]>) => {
      signings += 1;
      if (signings === failsAt) throw broken;
      return honest.sign(...statement);
    };
    log = new PublishedLog({
      stream: `0x${"5e".repeat(32)}`,
      signer: { address: honest.address, sign } as StatementSigner,
      domain: createDomain(31_337, `0x${"e5".repeat(20)}`),
      partTargetMs: () => 250,
      keptSegments: 5,
      onFault: (error) => faults.push(error),
    });
    const ignore = () => {};
    log.frames.follow(1, { config: ignore, frame: ignore, takeBack: ignore, end: () => (ended += 1) });
  });

  function publish(sequence: number): void {
    log.open({ ...place, sequence });
    for (let at = 0; at < 4; at += 1) log.push(1, frameAt(sequence * 4 + at, at === 0));
    log.end(1);
  }

  const never = new AbortController().signal;
  const frames = ["frame", "frame", "frame", "frame"];
  const whole = ["segmentStart", ...frames, "partMark", "segmentEnd"];

  for (const [what, at, out] of [
    ["a part has no mark", 3, [...whole, "segmentStart", ...frames]],
    ["a segment's end is not signed", 4, [...whole, ...whole.slice(0, -1)]],
  ] as const) {
    it(`tells once that ${what}, and lets nothing of the stream out behind it`, async () => {
      failsAt = at;
      for (const sequence of [0, 1, 2]) publish(sequence);
      log.close();
      for (const _ of ["one edge", "another"]) {
        const types: string[] = [];
        const reading = async () => {
          for await (const { type } of log.readFrom(0, never)) types.push(type);
        };
        await assert.rejects(reading(), broken);
        assert.deepEqual(types, ["config", ...out]);
      }
      assert.deepEqual(faults, [broken]);
    });
  }

  it("signs each mark and end once for all edges of other nodes, and none for its own", async () => {
    signings = 10;
    for (const sequence of [0, 1]) publish(sequence);
    log.close();
    const read = async (isOwn: boolean) => {
      const messages: MediaMessage[] = [];
      for await (const message of log.readFrom(0, never, isOwn)) messages.push(message);
      const types = messages.map(({ type }) => type);
      const all = ["config", ...whole, ...whole];
      assert.deepEqual(types, isOwn ? all.filter((type) => type !== "frame") : all);
      return messages.filter((message) => message.type === "partMark");
    };
    const own = await read(true);
    assert.equal(signings, 10);
    assert.ok(own.every((mark) => mark instanceof OwnPartMark));
    assert.throws(() => encodeMediaMessage(own[0]!), { code: "WIRE_MESSAGE_UNSENDABLE" });
    const [first, second] = await Promise.all([read(false), read(false)]);
    assert.equal(signings, 14);
    assert.ok(first.every((mark, at) => mark === second[at]));
    for (const mark of first)
      assert.deepEqual(decodeMediaMessage(Buffer.concat(encodeMediaMessage(mark))).type, "partMark");
  });

  it("tells edges of other nodes how far the newest rung is, signed once, and nobody once it is over", async () => {
    signings = 10;
    log.tellProgress(0);
    const told: MediaMessage[] = [];
    const read = async (isOwn: boolean) => {
      for await (const message of log.readFrom(0, never, isOwn)) if (message.type === "progress") told.push(message);
    };
    const readers = [read(false), read(false), read(true)];
    await new Promise(setImmediate);
    assert.deepEqual(
      told.map((message) => message.type === "progress" && [message.sequence, message.parts]),
      [
        [0, 0],
        [0, 0],
      ],
    );
    publish(0);
    log.open({ ...place, rung: 2, sequence: 1 });
    for (let at = 0; at < 16; at += 1) log.push(2, frameAt(at, at === 0));
    publish(1);
    log.tellProgress(100);
    log.tellProgress(200);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    log.close();
    log.tellProgress(400);
    await Promise.all(readers);
    const [first, second, ...rest] = told.slice(2);
    assert.equal(first, second);
    assert.deepEqual(rest, []);
    assert.ok(first?.type === "progress");
    const { atMs, rung, sequence, parts, signature } = first;
    assert.deepEqual([atMs, rung, sequence, parts], [200, 2, 1, 2]);
    const value = { stream: `0x${"5e".repeat(32)}` as const, atMs: 200n, rung: 2, seq: 1n, parts: 2 };
    const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
    const signed = { value, signature: bytesToHex(signature) };
    nativeStatements.verifySigned(progressStructure, domain, signed, honest.address);
  });

  it("keeps little while nobody reads, and more until nobody has for as long", async () => {
    const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
    const shared = { stream: `0x${"5e".repeat(32)}`, signer: honest, domain, partTargetMs: () => 250 } as const;
    log = new PublishedLog({ ...shared, keptSegments: 5, unwatchedSegments: 2, onFault: assert.ifError });
    const kept = (sequence: number) => {
      publish(sequence);
      // Each begins and ends, and has a mark behind its four frames.
      return log.size / 7;
    };
    for (const sequence of [0, 1, 2]) kept(sequence);
    assert.equal(kept(3), 2);
    const reading = log.readFrom(0, new AbortController().signal);
    await reading.next();
    for (const sequence of [4, 5, 6]) kept(sequence);
    assert.equal(kept(7), 5);
    await reading.return();
    for (const sequence of [8, 9, 10]) kept(sequence);
    assert.equal(kept(11), 5);
    assert.equal(kept(12), 2);
    // An edge of this process takes each part as it comes.
    const own = log.readFrom(0, new AbortController().signal, true);
    await own.next();
    for (const sequence of [13, 14]) kept(sequence);
    assert.equal(kept(15), 2);
    await own.return();
  });

  it("closes when all is out", () => {
    publish(0);
    log.close();
    assert.deepEqual([ended, log.closed, faults.length], [1, true, 0]);
  });
});

function frameAt(index: number, key: boolean): Frame {
  const dts = index * 3_000;
  const data = Uint8Array.of(index);
  return { kind: "video", epoch: 0, dts, pts: dts, duration: 3_000, key, configVersion: 0, arrivalMs: 0, data };
}
