import assert from "node:assert/strict";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import type { BalancerRequest } from "../../../../node/wire/session/messages.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

describe("reports of a balancer to its buyer", () => {
  const scene = usePayingMarket();
  const { open, until, goLive, jobsOf, work } = scene;
  /** The buyer hears of usage as it is told to, and answers then. */
  const onReport = (hear: (report: BalancerRequest<"usage.report">) => Promise<void>) => {
    const answer = scene.buyer.answer.bind(scene.buyer);
    scene.buyer.answer = async (method, body) => {
      if (method === "usage.report") await hear(body as BalancerRequest<"usage.report">);
      return answer(method, body);
    };
  };

  it("wait for no answer of another job, and come in the order of their own", async function () {
    this.timeout(20_000);
    await open(6);
    const { id } = await goLive();
    const released = Promise.withResolvers<void>();
    const heard: [kind: string, seq: bigint][] = [];
    onReport(async ({ kind, receipt }) => {
      if (kind === "ingest") await released.promise;
      heard.push([kind, receipt.value.seq]);
    });
    const store = new JobStore(scene.database);
    const left = async () => (await store.unreportedOf([scene.buyer.address], 10)).length;
    scene.market.hub.leave(scene.buyer);
    for (const seq of [0, 1]) {
      await scene.renew(id, seq);
      for (const { node, terms } of jobsOf(id)) await work(node, terms, seq);
      await scene.clock.advance(2_000);
    }
    assert.equal(await left(), 6);
    scene.market.hub.join(scene.buyer);
    try {
      await until(() => heard.length === 4);
      assert.ok(heard.every(([kind]) => kind === "transcode"));
    } finally {
      released.resolve();
    }
    await until(async () => (await left()) === 0);
    const ofIngest = heard.filter(([kind]) => kind === "ingest").map(([, seq]) => seq);
    assert.deepEqual(ofIngest, [0n, 1n]);
  });

  it("come once where the buyer leaves while it is told, and comes back", async function () {
    this.timeout(20_000);
    await open(6);
    const { id } = await goLive();
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const heard: bigint[] = [];
    onReport(async ({ receipt }) => {
      heard.push(receipt.value.seq);
      reached.resolve();
      await released.promise;
    });
    const store = new JobStore(scene.database);
    const isAllReported = async () => (await store.unreportedOf([scene.buyer.address], 10)).length === 0;
    const { node, terms } = jobsOf(id).find(({ terms: { spec } }) => spec.primitive === "ingest")!;
    const begin = async (seq: number) => {
      await scene.renew(id, seq);
      await work(node, terms, seq);
    };
    try {
      await begin(0);
      await reached.promise;
      scene.market.hub.leave(scene.buyer);
      // Whoever left is looked after every second.
      await scene.clock.advance(2_000);
      scene.market.hub.join(scene.buyer);
      await begin(1);
    } finally {
      released.resolve();
    }
    await until(isAllReported);
    // Behind whatever else would be told of those.
    await begin(2);
    await until(async () => heard.includes(2n) && (await isAllReported()));
    assert.deepEqual(heard, [0n, 1n, 2n]);
  });

  it("of what comes while the buyer is there are read from disk once, not for each", async function () {
    this.timeout(20_000);
    await open(6);
    const store = new CountingStore(scene.database);
    await scene.market.balancer.stop();
    await scene.startAgain(store);
    const { id } = await goLive();
    const before = store.reads;
    for (let seq = 0; seq < 6; seq += 1) for (const { node, terms } of jobsOf(id)) await work(node, terms, seq);
    await until(() => scene.buyer.told("usage.report").length === 18);
    assert.ok(store.reads - before <= 1, `${store.reads - before} reads`);
    await until(async () => (await store.unreportedOf([scene.buyer.address], 10)).length === 0);
  });

  it("and the pay of what passes while it is booked come once, and come", async function () {
    this.timeout(20_000);
    await open(6);
    const store = new SlowStore(scene.database);
    await scene.market.balancer.stop();
    await scene.startAgain(store);
    const { id } = await goLive();
    const jobOf = (primitive: string) => jobsOf(id).find(({ terms: { spec } }) => spec.primitive === primitive)!;
    const { node, terms } = jobOf("transcode");
    const submit = await node.receipt(terms, 0);
    await scene.begin(id, 0);
    const kinds = () => scene.buyer.told("usage.report").map((body) => (body as BalancerRequest<"usage.report">).kind);
    const booking = store.holdBooking();
    const accepted = scene.market.hub.ask(node, "receipt.submit", submit);
    try {
      await booking.reached;
      const origin = scene.nodes[0]!;
      await scene.market.hub.ask(origin, "check.submit", await origin.check(submit.receipt.value, 1));
      // Behind whatever the check had told.
      const ingest = jobOf("ingest");
      await work(ingest.node, ingest.terms, 0);
      await until(() => kinds().includes("ingest"));
      assert.deepEqual(kinds(), ["ingest"]);
    } finally {
      booking.release();
    }
    await accepted;
    await until(async () => (await store.unreportedOf([scene.buyer.address], 10)).length === 0);
    assert.equal((await store.receiptAt(terms.assignment.value.job, 1, 0))!.reported, true);
    await until(async () => (await scene.books.payee.waiting()).length === 0);
    // Behind whatever else would be told of the first one.
    await work(node, terms, 1);
    await until(async () => (await store.receiptAt(terms.assignment.value.job, 1, 1))!.reported);
    assert.deepEqual(kinds(), ["ingest", "transcode", "transcode"]);
  });

  for (const [what, methods] of [
    ["receipt", ["check.submit", "receipt.submit"]],
    ["check", ["receipt.submit", "check.submit"]],
  ] as const) {
    it(`and its pay come where the database failed behind a ${what} that is sent again`, async function () {
      this.timeout(20_000);
      await open(6);
      const store = new BlindStore(scene.database);
      await scene.market.balancer.stop();
      await scene.startAgain(store);
      const { id } = await goLive();
      const { node, terms } = jobsOf(id).find(({ terms: { spec } }) => spec.primitive === "transcode")!;
      const submit = await node.receipt(terms, 0);
      const check = await scene.nodes[0]!.check(submit.receipt.value, 1);
      await scene.begin(id, 0);
      const send = (method: (typeof methods)[number]) =>
        method === "check.submit"
          ? scene.market.hub.ask(scene.nodes[0]!, method, check)
          : scene.market.hub.ask(node, method, submit);
      await send(methods[0]);
      store.isBlind = true;
      await assert.rejects(send(methods[1]), /no check is read/);
      store.isBlind = false;
      await send(methods[1]);
      await until(() => scene.buyer.told("usage.report").length === 1);
      const isWaiting = async () => [
        ...(await scene.books.cluster.payer.waiting()),
        ...(await scene.books.cluster.payee.waiting()),
      ];
      await until(async () => (await isWaiting()).length === 0);
    });
  }

  it("hear the answers that are on their way before they are told again, where the database fails one of them", async function () {
    this.timeout(20_000);
    await open(6);
    const store = new FailingStore(scene.database);
    await scene.market.balancer.stop();
    await scene.startAgain(store);
    const { id } = await goLive();
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const heard: string[] = [];
    onReport(async ({ job, kind }) => {
      heard.push(job);
      if (kind !== "ingest") return;
      reached.resolve();
      await released.promise;
    });
    const left = async () => (await store.unreportedOf([scene.buyer.address], 10)).length;
    scene.market.hub.leave(scene.buyer);
    const jobs = jobsOf(id);
    for (const { node, terms } of jobs) await work(node, terms, 0);
    await scene.clock.advance(2_000);
    const failed = store.failOnce();
    scene.market.hub.join(scene.buyer);
    await Promise.all([reached.promise, failed]);
    try {
      // Time enough for another round, whose reads would come before these.
      for (let round = 0; round < 3; round += 1) {
        await scene.clock.advance(1_000);
        for (let read = 0; read < 5; read += 1) await left();
      }
    } finally {
      released.resolve();
    }
    await until(async () => {
      await scene.clock.advance(1_000);
      return (await left()) === 0;
    });
    const timesOf = ({ terms: { assignment, spec } }: (typeof jobs)[0]) =>
      `${spec.primitive} ${heard.filter((job) => job === assignment.value.job).length}`;
    // The one of which the disk does not know that it was told is told anew.
    assert.deepEqual(jobs.map(timesOf).toSorted(), ["ingest 1", "transcode 1", "transcode 2"]);
  });
});

/** A database that fails once where it is to note that a receipt was told. */
class FailingStore extends JobStore {
  #fails = false;
  readonly #failed = Promise.withResolvers<void>();

  failOnce(): Promise<void> {
    this.#fails = true;
    return this.#failed.promise;
  }

  override async markReceipt(...[hash, change]: Parameters<JobStore["markReceipt"]>) {
    if (!this.#fails || change.reported !== true) return super.markReceipt(hash, change);
    this.#fails = false;
    this.#failed.resolve();
    throw new Error("the disk is full");
  }
}

/** A database that may fail where checks are to be read. */
class BlindStore extends JobStore {
  isBlind = false;

  override async checksAt(...key: Parameters<JobStore["checksAt"]>): ReturnType<JobStore["checksAt"]> {
    if (this.isBlind) throw new Error("no check is read");
    return super.checksAt(...key);
  }
}

/** A database that is slow where the next receipt is to be booked. */
class SlowStore extends JobStore {
  #held: { readonly reached: PromiseWithResolvers<void>; readonly released: PromiseWithResolvers<void> } | undefined;

  holdBooking(): { readonly reached: Promise<void>; release(): void } {
    const held = { reached: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() };
    this.#held = held;
    return { reached: held.reached.promise, release: held.released.resolve };
  }

  override async markReceipt(...[hash, change]: Parameters<JobStore["markReceipt"]>) {
    if (change.booked === true) {
      const held = this.#held;
      this.#held = undefined;
      held?.reached.resolve();
      await held?.released.promise;
    }
    return super.markReceipt(hash, change);
  }
}

/** Counts how often what was not reported is read. */
class CountingStore extends JobStore {
  reads = 0;

  override unreportedOf(...query: Parameters<JobStore["unreportedOf"]>): ReturnType<JobStore["unreportedOf"]> {
    this.reads += 1;
    return super.unreportedOf(...query);
  }
}
