import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { BalancerLine } from "@leat/node/services/ingest/balancer-line.ts";
import { WireError } from "@leat/node/wire/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";

const stream: Hex = `0x${"11".repeat(32)}`;

interface Said {
  readonly method: string;
  readonly body: Record<string, unknown>;
  readonly options: unknown;
  readonly answer: PromiseWithResolvers<unknown>;
}

describe("an origin's line to its balancer", () => {
  let said: Said[];
  let line: BalancerLine;

  beforeEach(() => {
    said = [];
    const call = (method: string, body: Record<string, unknown>, options: unknown) => {
      const answer = Promise.withResolvers<unknown>();
      said.push({ method, body, options, answer });
      return answer.promise;
    };
    line = new BalancerLine(stream, { session: { call } as never, clock: systemClock, logger: silentLogger }, 10);
  });

  const rungsSaid = () => said.map(({ body: { rungs, sequence } }) => [rungs, sequence]);

  it("tells a balancer that is slow of the newest segment of each rung, and holds no more", async () => {
    line.tellPublished([1, 2], 0);
    for (let sequence = 1; sequence <= 1_000; sequence += 1) {
      line.tellPublished([1], sequence);
      if (sequence <= 998) line.tellPublished([2, 3], sequence);
    }
    assert.deepEqual(rungsSaid(), [[[1, 2], 0]]);
    said[0]!.answer.resolve({});
    await turn();
    assert.deepEqual(rungsSaid().slice(1), [[[1], 1_000]]);
    said[1]!.answer.reject(new WireError({ code: "WIRE_CALL_TIMEOUT", method: "segment.published" }));
    await turn();
    assert.deepEqual(rungsSaid().slice(2), [[[2, 3], 998]]);
    const told = line.told();
    said[2]!.answer.resolve({});
    await told;
    line.tellPublished([], 1_001);
    line.tellPublished([1], 1_001);
    assert.deepEqual(rungsSaid().slice(3), [[[1], 1_001]]);
  });

  it("tells at once of what was made, and when it suits of what came in", () => {
    line.tellPublished([0, 1, 2, 100], 7);
    assert.deepEqual(rungsSaid(), [
      [[1, 2], 7],
      [[0, 100], 7],
    ]);
    assert.deepEqual(
      said.map(({ options }) => options),
      [{ isUrgent: true }, { isUrgent: false }],
    );
  });

  it("tells of every rung in its turn, also where one is always behind", async () => {
    line.tellPublished([1], 0);
    for (let sequence = 1; sequence <= 4; sequence += 1) {
      line.tellPublished([2], sequence - 1);
      line.tellPublished([1], sequence);
      said.at(-1)!.answer.resolve({});
      await turn();
    }
    assert.deepEqual(rungsSaid(), [
      [[1], 0],
      [[2], 0],
      [[1], 2],
      [[2], 2],
      [[1], 4],
    ]);
  });

  it("is away by what was said last, however late something from before is given up", async () => {
    const body = { stream, lastFrameAgeMs: 0, sequence: 0, frames: 0, isOver: false, published: [] };
    const renewals = [line.renew(body), line.renew(body)];
    const timeout = new WireError({ code: "WIRE_CALL_TIMEOUT", method: "publish.renew" });
    said[1]!.answer.resolve({});
    await renewals[1];
    said[0]!.answer.reject(timeout);
    await renewals[0];
    assert.equal(line.isAway, false);
    const last = line.renew(body);
    said[2]!.answer.reject(timeout);
    await last;
    assert.equal(line.isAway, true);
  });
});
