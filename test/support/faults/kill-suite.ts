import assert from "node:assert/strict";
import type { Voucher } from "../../../sdk/protocol/signed.ts";
import type { Signed } from "../../../sdk/protocol/statements.ts";
import { randomFrom, type SeededRandom } from "../seeded-random.ts";
import { assertPaidOnce, feedOne } from "./feeding.ts";
import type { PayeeHandle } from "./payee-handle.ts";
import { type KillPoint, killPoints } from "./payee-protocol.ts";
import { PayeeWorld, type TestPayee, type TestPayer } from "./payee-world.ts";

type Place = KillPoint | "random";
const places: readonly Place[] = [...killPoints, "random"];
/** Besides the chosen points: at whatever instant this is, counted from when the program is loaded. */
const RANDOM_MS = 1_500;
const PAYEES = 3;
const PAYERS_EACH = 2;

/**
 * Kills payees by SIGKILL between every two steps of receive, write, acknowledge, collect and confirm, again and again on
 * what the last life left. In each test every point comes `times` times, and after it everything that was acknowledged
 * must be paid, once, for the gas of transactions that each brought money.
 */
export function describeKills(tests: number, times: number, blockMs: number): void {
  describe(`a payee killed by SIGKILL between any two steps of a voucher's way, a block every ${blockMs} ms`, function () {
    this.timeout(600_000);
    let world: PayeeWorld;
    before(async () => {
      world = await PayeeWorld.open(PAYEES, PAYERS_EACH, blockMs);
    });
    after(async () => await world?.close());

    for (let test = 1; test <= tests; test += 1) {
      const name = tests === 1 ? "" : `, ${test} of ${tests}`;
      it(`loses no acknowledged voucher and is paid once, over ${places.length * times} kills${name}`, async () => {
        const random = randomFrom();
        try {
          await killAndSettle(world, random, times);
        } catch (error) {
          throw new Error(`seed ${random.seed}`, { cause: error });
        }
      });
    }
  });
}

async function killAndSettle(world: PayeeWorld, random: SeededRandom, times: number): Promise<void> {
  const left = shuffle(
    Array.from({ length: times }).flatMap(() => places),
    random,
  );
  await Promise.all(
    world.payees.map(async (payee) => {
      // The next one loads while the last one dies.
      let spare = world.spawn();
      for (let place = left.pop(); place !== undefined; place = left.pop()) {
        const process = spare;
        spare = world.spawn();
        await liveAndDie(world, process, payee, place, random);
      }
      await settle(world, spare, payee);
    }),
  );
  let owed = 0n;
  for (const payee of world.payees) {
    await assertPaidOnce(world, payee);
    for (const payer of payee.payers) owed += payer.acknowledged!.cumulative;
  }
  assert.equal(await world.credited(), owed);
}

/** One life: started on what the last one left, fed until it is dead. Every armed point comes sooner or later. */
async function liveAndDie(
  world: PayeeWorld,
  process: PayeeHandle,
  payee: TestPayee,
  place: Place,
  { next }: SeededRandom,
): Promise<void> {
  const count = 1 + Math.floor(next() * 3);
  const waitMs = next() * RANDOM_MS;
  const amounts = payee.payers.map(() => BigInt(1 + Math.floor(next() * 1_000)));
  if (place === "random") void process.loaded.then(() => setTimeout(() => process.kill(), waitMs));
  const held = await process.start(payee.start, place === "random" ? undefined : { point: place, count });
  if (held !== undefined) assertKept(payee, held);
  await Promise.all(payee.payers.map((payer, at) => feed(world, process, payer, amounts[at]!)));
  await process.exited;
  assert.equal(process.signal, "SIGKILL", `a life that was to end at ${place}`);
}

/** Offers one voucher after the other, each only after the last was acknowledged, a block apart. */
async function feed(world: PayeeWorld, process: PayeeHandle, payer: TestPayer, more: bigint): Promise<void> {
  while ((await feedOne(process, payer, more)) !== undefined) {
    await Promise.race([world.anvil.nextBlock(), process.exited]);
  }
}

/** What was acknowledged is there, and nothing that was never signed. */
function assertKept(payee: TestPayee, held: readonly Signed<Voucher>[]): void {
  for (const payer of payee.payers) {
    const found = held.find(({ value }) => value.payer === payer.key.address);
    const least = payer.acknowledged?.seq ?? 0n;
    if ((found?.value.seq ?? 0n) === least) assert.deepEqual(found?.value, payer.acknowledged);
    // Written down and killed before it was acknowledged.
    else assert.deepEqual(found, payer.offered?.voucher, `${found?.value.seq} held, ${least} acknowledged`);
  }
}

/** A last life without a fault: everything that is owed comes in. */
async function settle(world: PayeeWorld, process: PayeeHandle, payee: TestPayee): Promise<void> {
  const held = await process.start(payee.start);
  assert.ok(held !== undefined);
  assertKept(payee, held);
  for (const payer of payee.payers) assert.equal(await feedOne(process, payer, 1n), true);
  await process.collect();
  for (const payer of payee.payers) await world.whenCollected(payer, payer.acknowledged!.cumulative);
  await process.stop();
}

function shuffle<T>(list: readonly T[], { next }: SeededRandom): T[] {
  const shuffled = [...list];
  for (let at = shuffled.length - 1; at > 0; at -= 1) {
    const other = Math.floor(next() * (at + 1));
    [shuffled[at], shuffled[other]] = [shuffled[other]!, shuffled[at]!];
  }
  return shuffled;
}
