import assert from "node:assert/strict";
import { WorkReview } from "@leat/node/services/jobs/work-review.ts";
import type { PayeeService } from "@leat/node/services/payment/payee-service.ts";
import { WireError } from "@leat/node/wire/errors.ts";
import type { NodeRequest } from "@leat/node/wire/session/messages.ts";
import type { Welcome } from "@leat/node/wire/session/presence.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { RunningJob } from "@leat/sdk/protocol/job.ts";
import { MAX_REVIEWED_WORK } from "@leat/sdk/protocol/limits.ts";
import { clusterAccount, randomHash, token, usePayments } from "../../../support/payment-pair.ts";

type Asked = NodeRequest<"work.review">;

describe("review of work that nobody paid", () => {
  const { on, openPair, workOf } = usePayments();
  let payee: PayeeService;
  let job: Hex;
  let asked: Asked[];
  let answer: (asked: Asked) => Asked["work"];
  let account: Address;
  let running: Pick<RunningJob, "job" | "attempt">[];
  let inOutbox: string[];
  let review: WorkReview;

  beforeEach(async () => {
    ({ payee, job } = await openPair());
    [asked, running, inOutbox, account] = [[], [], [], clusterAccount];
    answer = ({ work }) => work;
    review = new WorkReview(
      {
        session: {
          get welcome() {
            return { clusterAccount: account } as Welcome;
          },
          call: async (_, body) => {
            asked.push(body as Asked);
            return { unpaid: answer(body as Asked) } as never;
          },
        },
        payee,
        outbox: { isWaiting: (key) => inOutbox.includes(key) },
        desk: { runningJobs: () => running as RunningJob[] },
        clock: on.clock,
        logger: silentLogger,
        metrics: silentMetrics,
      },
      { everyMs: 10_000 },
    );
    await review.start();
  });
  afterEach(() => review.stop());

  const earn = async (seq: bigint, of = job) => {
    await payee.earned(workOf(of, seq));
    return { job: of, attempt: 1, seq };
  };
  const waiting = async () => (await payee.waiting()).map(({ seq }) => seq);
  /** One round, until all that it writes is on disk: then it sleeps again. */
  const round = async () => {
    const [before, { sleeping }] = [asked.length, on.clock];
    await on.clock.advance(10_000);
    while (on.clock.sleeping !== sleeping) await new Promise((resolve) => setImmediate(resolve));
    return asked.slice(before);
  };

  it("asks for what was unpaid one round before, and writes off what it is told", async () => {
    const work = await earn(1n);
    assert.deepEqual(await round(), []);
    assert.deepEqual(await round(), [{ token, work: [work] }]);
    assert.deepEqual([await waiting(), await round()], [[], []]);
  });

  it("asks for nothing of an attempt that runs, nor for what is on its way to the balancer", async () => {
    const other = randomHash();
    await earn(1n);
    const [first] = [await earn(1n, other), await earn(2n, other)];
    running = [{ job, attempt: 1 }];
    inOutbox = [`receipt/${other}/${"1".padStart(10, "0")}/${"2".padStart(20, "0")}`];
    await round();
    assert.deepEqual(await round(), [{ token, work: [first] }]);
    assert.deepEqual((await waiting()).sort(), [1n, 2n]);
  });

  it("takes no word for work that it did not ask for", async () => {
    const lost = await earn(1n);
    const kept = await earn(2n, randomHash());
    running = [kept];
    answer = () => [lost, kept, { ...lost, seq: 9n }];
    await round();
    await round();
    assert.deepEqual(await waiting(), [2n]);
  });

  it("asks no other cluster than the one that owes it", async () => {
    await earn(1n);
    account = `0x${"c2".repeat(20)}`;
    for (let rounds = 0; rounds < 3; rounds += 1) assert.deepEqual(await round(), []);
    assert.deepEqual(await waiting(), [1n]);
  });

  it("asks again when the balancer was away", async () => {
    await earn(1n);
    const told = answer;
    answer = () => {
      throw new WireError({ code: "WIRE_CONNECTION_LOST" });
    };
    await round();
    await round();
    assert.deepEqual([asked.length, await waiting()], [1, [1n]]);
    answer = told;
    await round();
    assert.deepEqual(await waiting(), []);
  });

  it("asks for much in several calls", async () => {
    await Promise.all(Array.from({ length: MAX_REVIEWED_WORK + 1 }, (_, seq) => earn(BigInt(seq))));
    await round();
    const calls = await round();
    assert.deepEqual(
      calls.map(({ work }) => work.length),
      [MAX_REVIEWED_WORK, 1],
    );
  });
});
