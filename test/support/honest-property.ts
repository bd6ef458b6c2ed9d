import assert from "node:assert/strict";
import fc from "fast-check";
import { HonestNode, settle } from "./honest-node.ts";

type Step = (node: HonestNode) => void | Promise<void>;

const job = fc.nat(3);
const named = (name: string, step: Step): Step => Object.assign(step, { [fc.toStringMethod]: () => name });

/** Everything that happens to a node, its balancers and its disk. Work and syncs are what mostly happens. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(job, fc.integer({ min: 1, max: 3 }), fc.nat(1))
      .map(([at, attempt, balancer]) =>
        named(`assign(${at}, ${attempt}, ${balancer})`, (node) => node.assign(at, attempt, balancer)),
      ),
  },
  { weight: 3, arbitrary: fc.nat(20).map((at) => named(`replay(${at})`, (node) => node.replay(at))) },
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.nat(5), fc.nat(2), fc.nat(2))
      .map(([at, seq, variant]) => named(`work(${at}, ${seq}, ${variant})`, (node) => node.work(at, seq, variant))),
  },
  { weight: 2, arbitrary: fc.nat(5).map((at) => named(`end(${at})`, (node) => node.end(at))) },
  { weight: 10, arbitrary: fc.constant(named("sync()", (node) => node.sync())) },
  { weight: 3, arbitrary: fc.constant(named("tick()", (node) => node.tick())) },
  { weight: 1, arbitrary: fc.boolean().map((away) => named(`setAway(${away})`, (node) => node.setAway(away))) },
  { weight: 3, arbitrary: fc.constant(named("crash()", (node) => node.crash())) },
  { weight: 1, arbitrary: fc.constant(named("restart()", (node) => node.restart())) },
  { weight: 1, arbitrary: fc.constant(named("takeBackup()", (node) => node.takeBackup())) },
  { weight: 1, arbitrary: fc.constant(named("restoreBackup()", (node) => node.restoreBackup())) },
  { weight: 1, arbitrary: fc.constant(named("loseStore()", (node) => node.loseStore())) },
);

/** Drives honest nodes through random sequences; throws, with the shortest one, where a pair could be slashed. */
export async function searchSlashable(runs: number, maxSteps: number, seed: number): Promise<{ receipts: number }> {
  let receipts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: maxSteps, size: "max" }), async (steps) => {
      const node = new HonestNode();
      await node.start();
      for (const one of steps) {
        await one(node);
        await settle();
      }
      await node.drain();
      receipts += node.seen.length;
      assert.deepEqual(node.bugs, []);
      assert.equal(node.findSlashable(), undefined);
    }),
    { numRuns: runs, seed },
  );
  return { receipts };
}
