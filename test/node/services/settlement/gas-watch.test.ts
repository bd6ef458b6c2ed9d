import assert from "node:assert/strict";
import { GasWatch } from "../../../../node/services/settlement/gas-watch.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("gas watch", () => {
  let clock: ManualClock;
  let price: bigint;
  let asked: number;
  let watch: GasWatch;
  beforeEach(() => {
    clock = new ManualClock();
    [price, asked] = [10n, 0];
    const gasPrice = async () => {
      asked += 1;
      return price;
    };
    watch = new GasWatch({ gasPrice, blockGasLimit: async () => 30_000_000n }, clock);
  });

  it("tells the price now and the middle of the last hour's, asking no more than every two seconds", async () => {
    assert.deepEqual(await watch.price(), { now: 10n, usual: 10n });
    price = 1_000n;
    assert.deepEqual(await watch.price(), { now: 10n, usual: 10n });
    assert.equal(asked, 1);
    // A spike of 20 minutes after 30 calm ones moves nothing; one that lasts becomes the usual.
    price = 10n;
    for (let minute = 0; minute < 30; minute += 1) {
      await clock.advance(60_000);
      await watch.price();
    }
    price = 1_000n;
    for (let minute = 0; minute < 20; minute += 1) {
      await clock.advance(60_000);
      assert.deepEqual(await watch.price(), { now: 1_000n, usual: 10n });
    }
    for (let minute = 0; minute < 40; minute += 1) {
      await clock.advance(60_000);
      await watch.price();
    }
    assert.equal((await watch.price()).usual, 1_000n);
  });

  it("knows what is usual though nobody needs the price, asking once a minute", async () => {
    for (let second = 0; second < 180; second += 5) {
      await watch.keepUp();
      await clock.advance(5_000);
    }
    assert.equal(asked, 3);
    price = 1_000n;
    assert.deepEqual(await watch.price(), { now: 1_000n, usual: 10n });
  });
});
