import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const place = { rung: 1, epoch: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0, config };

describe("published log", () => {
  const broken = new Error("no signature");
  const honest = nativeStatements.createSigner(new Uint8Array(32).fill(7));
  let signings: number;
  let faults: unknown[];
  let ended: number;
  let log: PublishedLog;

  beforeEach(() => {
    [signings, faults, ended] = [0, [], 0];
    const sign = async (...statement: Parameters<StatementSigner["sign"]>) => {
      signings += 1;
      if (signings === 2) throw broken;
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

  it("tells once that a part has no mark, and lets nothing of the stream out behind it", async () => {
    for (const sequence of [0, 1, 2]) publish(sequence);
    await assert.rejects(log.flushed(), broken);
    publish(3);
    await assert.rejects(log.flushed(), broken);
    assert.deepEqual(faults, [broken]);
    const gone = new AbortController();
    const reading = log.readFrom(0, gone.signal);
    const types: string[] = [];
    for (let left = log.size + 1; left > 0; left -= 1) types.push((await reading.next()).value!.type);
    const frames = ["frame", "frame", "frame", "frame"];
    const whole = ["config", "segmentStart", ...frames, "partMark", "segmentEnd"];
    assert.deepEqual(types, [...whole, "segmentStart", ...frames]);
  });

  it("ends who serves its frames, and tells edges no end that is none", async () => {
    for (const sequence of [0, 1]) publish(sequence);
    await assert.rejects(log.close(), broken);
    assert.equal(ended, 1);
    assert.equal(log.closed, false);
  });

  it("keeps little while nobody reads, and more until nobody has for as long", async () => {
    const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
    const shared = { stream: `0x${"5e".repeat(32)}`, signer: honest, domain, partTargetMs: () => 250 } as const;
    log = new PublishedLog({ ...shared, keptSegments: 5, unwatchedSegments: 2, onFault: assert.ifError });
    const kept = async (sequence: number) => {
      publish(sequence);
      await log.flushed();
      // Each begins and ends, and has a mark behind its four frames.
      return log.size / 7;
    };
    for (const sequence of [0, 1, 2]) await kept(sequence);
    assert.equal(await kept(3), 2);
    const reading = log.readFrom(0, new AbortController().signal);
    await reading.next();
    for (const sequence of [4, 5, 6]) await kept(sequence);
    assert.equal(await kept(7), 5);
    await reading.return();
    for (const sequence of [8, 9, 10]) await kept(sequence);
    assert.equal(await kept(11), 5);
    assert.equal(await kept(12), 2);
  });

  it("closes when all is out", async () => {
    publish(0);
    await log.close();
    assert.deepEqual([ended, log.closed, faults.length], [1, true, 0]);
  });
});

function frameAt(index: number, key: boolean): Frame {
  const dts = index * 3_000;
  const data = Uint8Array.of(index);
  return { kind: "video", epoch: 0, dts, pts: dts, duration: 3_000, key, configVersion: 0, arrivalMs: 0, data };
}
