import assert from "node:assert/strict";
import fc from "fast-check";
import type { LedgerEntry, VoucherRecord, VoucherStore } from "../../node/metering/voucher-store.ts";
import { bytesToHex, type Hex } from "../../sdk/protocol/hex.ts";

/** A store in a place of its own. `reopen` closes what is open and opens the same place again. */
export interface VoucherStoreFixture {
  readonly store: VoucherStore;
  reopen(): Promise<VoucherStore>;
  /** Another store over what is open: it knows only what is kept. */
  another(): VoucherStore;
  close(): Promise<void>;
}

const hexOf = (sizeBytes: number, number: number): Hex => {
  const bytes = new Uint8Array(sizeBytes);
  new DataView(bytes.buffer).setUint32(sizeBytes - 4, number);
  return bytesToHex(bytes);
};
export const channel = hexOf(32, 1);
const other = hexOf(32, 2);
const job = hexOf(32, 9);

export function voucherRecord(seq: bigint, cumulative: bigint, of: Hex = channel): VoucherRecord {
  return {
    channel: of,
    voucher: {
      value: {
        payer: hexOf(20, 1),
        payee: hexOf(20, 2),
        token: hexOf(20, 3),
        cluster: 2n ** 255n,
        clusterPpm: 999_999,
        cumulative,
        seq,
        usageRoot: hexOf(32, Number(seq)),
      },
      signature: hexOf(65, Number(seq)),
    },
    receiptsRoot: hexOf(32, 7),
    receiptHashes: [hexOf(32, 8), hexOf(32, 9)],
    acknowledged: false,
  };
}

export function entry(seq: bigint, exact: bigint, state: LedgerEntry["state"] = "waiting"): LedgerEntry {
  return { job, attempt: 1, seq, exact, receiptHash: hexOf(32, Number(seq)), state };
}

const keyOf = ({ seq }: { seq: bigint }) => ({ job, attempt: 1, seq });

/** What every VoucherStore does. */
export function describeVoucherStore(name: string, open: () => Promise<VoucherStoreFixture>): void {
  describe(`${name} as a voucher store`, () => {
    let fixture: VoucherStoreFixture;
    let store: VoucherStore;
    beforeEach(async () => {
      fixture = await open();
      store = fixture.store;
    });
    afterEach(() => fixture.close());

    it("holds nothing at first", async () => {
      assert.equal(await store.newest("held", channel), undefined);
      assert.deepEqual(await store.all("issued"), []);
      assert.deepEqual(await store.openEntries("held", channel), []);
      assert.equal(await store.totalExact("held", channel), 0n);
      assert.deepEqual(await store.channels("held"), []);
      assert.equal(await store.collected(channel), undefined);
    });

    it("gives a voucher back as it was put, also after reopening", async () => {
      const record = voucherRecord(1n, 2n ** 128n - 1n);
      assert.deepEqual(await store.put("issued", { record, expectedSeq: 0n, covered: [] }), { stored: true });
      assert.deepEqual(await store.newest("issued", channel), record);
      const again = await fixture.reopen();
      assert.deepEqual(await again.newest("issued", channel), record);
      assert.deepEqual(await again.all("issued"), [record]);
    });

    it("keeps the sides and the channels apart", async () => {
      await store.put("issued", { record: voucherRecord(1n, 10n), expectedSeq: 0n, covered: [] });
      await store.put("held", { record: voucherRecord(1n, 20n, other), expectedSeq: 0n, covered: [] });
      assert.equal(await store.newest("held", channel), undefined);
      assert.equal((await store.newest("held", other))?.voucher.value.cumulative, 20n);
      assert.deepEqual(await store.channels("issued"), [channel]);
      assert.deepEqual(await store.channels("held"), [other]);
    });

    it("stores a voucher only over the seq that the writer saw", async () => {
      const first = voucherRecord(1n, 10n);
      await store.put("held", { record: first, expectedSeq: 0n, covered: [] });
      assert.deepEqual(await store.put("held", { record: voucherRecord(1n, 11n), expectedSeq: 0n, covered: [] }), {
        stored: false,
        held: first,
      });
      assert.deepEqual(await store.put("held", { record: voucherRecord(3n, 11n), expectedSeq: 2n, covered: [] }), {
        stored: false,
        held: first,
      });
      assert.deepEqual(await store.put("held", { record: voucherRecord(2n, 11n), expectedSeq: 1n, covered: [] }), {
        stored: true,
      });
    });

    it("lets exactly one of several writers of the same seq win", async () => {
      const results = await Promise.all(
        [1n, 2n, 3n, 4n].map((amount) =>
          store.put("issued", { record: voucherRecord(1n, amount), expectedSeq: 0n, covered: [] }),
        ),
      );
      assert.equal(results.filter((result) => result.stored).length, 1);
    });

    it("covers entries and moves the total with the voucher, or not at all", async () => {
      for (const seq of [1n, 2n, 3n]) await store.addEntry("issued", channel, entry(seq, 100n, "payable"));
      const covered = [keyOf({ seq: 1n }), keyOf({ seq: 2n })];
      await store.put("issued", { record: voucherRecord(1n, 1n), expectedSeq: 5n, covered, adjustExact: 7n });
      assert.equal((await store.openEntries("issued", channel)).length, 3);
      assert.equal(await store.totalExact("issued", channel), 300n);
      await store.put("issued", { record: voucherRecord(1n, 1n), expectedSeq: 0n, covered, adjustExact: 7n });
      const again = await fixture.reopen();
      assert.deepEqual(await again.openEntries("issued", channel), [entry(3n, 100n, "payable")]);
      assert.equal(await again.totalExact("issued", channel), 307n);
    });

    it("acknowledges the newest voucher alone", async () => {
      await store.put("issued", { record: voucherRecord(1n, 10n), expectedSeq: 0n, covered: [] });
      await store.acknowledge(channel, 2n);
      await store.acknowledge(other, 1n);
      assert.equal((await store.newest("issued", channel))?.acknowledged, false);
      await store.acknowledge(channel, 1n);
      assert.equal((await store.newest("issued", channel))?.acknowledged, true);
    });

    it("books a key once, whatever is offered again", async () => {
      assert.equal(await store.addEntry("held", channel, entry(4n, 10n ** 45n)), true);
      assert.equal(await store.addEntry("held", channel, entry(4n, 1n, "payable")), false);
      assert.deepEqual(await store.openEntries("held", channel), [entry(4n, 10n ** 45n)]);
      const results = await Promise.all([1, 2, 3].map(() => store.addEntry("held", channel, entry(5n, 1n))));
      assert.equal(results.filter((added) => added).length, 1);
    });

    it("knows what it booked of a job after reopening", async () => {
      for (const seq of [2n, 3n, 4n, 9n]) await store.addEntry("held", channel, entry(seq, 1n));
      const closed = [2n, 3n].map((seq) => keyOf({ seq }));
      await store.setEntries("held", channel, closed, "vouchered");
      const again = await fixture.reopen();
      const added: bigint[] = [];
      for (const seq of [1n, 2n, 3n, 4n, 5n, 9n, 10n, 10n, 5n]) {
        if (await again.addEntry("held", channel, entry(seq, 1n))) added.push(seq);
      }
      assert.deepEqual(added, [1n, 5n, 10n]);
      await again.setEntries("held", channel, [keyOf({ seq: 10n })], "forfeited");
      assert.equal(await again.addEntry("held", channel, entry(10n, 1n)), false);
    });

    it("knows each entry of a row that was closed together", async () => {
      const row = [3n, 4n, 5n, 6n, 8n];
      await Promise.all([...row, 7n, 9n].map((seq) => store.addEntry("held", channel, entry(seq, 1n, "payable"))));
      await store.addEntry("held", channel, { ...entry(4n, 1n), attempt: 2 });
      await store.put("held", {
        record: voucherRecord(1n, 5n),
        expectedSeq: 0n,
        covered: row.map((seq) => keyOf({ seq })),
      });
      const offered = [2n, ...row, 7n, 9n, 10n];
      const addAll = async (to: VoucherStore) => {
        const added = await Promise.all(offered.map((seq) => to.addEntry("held", channel, entry(seq, 1n))));
        return offered.filter((_, at) => added[at]);
      };
      assert.deepEqual(await addAll(store), [2n, 10n]);
      const again = await fixture.reopen();
      assert.deepEqual(await addAll(again), []);
      for (const seq of [3n, 5n]) {
        assert.equal(await again.addEntry("held", channel, { ...entry(seq, 1n), attempt: 2 }), true);
      }
      const later = [3n, 4n, 5n].map((seq) => ({ job, attempt: 2, seq }));
      await again.setEntries("held", channel, later, "vouchered");
      assert.equal(await again.addEntry("held", channel, entry(11n, 1n)), true);
      const rest = [2n, 7n, 9n, 10n, 11n].map((seq) => keyOf({ seq }));
      await again.setEntries("held", channel, rest, "forfeited");
      await again.forgetJob("held", channel, job);
      assert.deepEqual(await addAll(again), offered);
      assert.equal(await again.totalExact("held", channel), 8n);
    });

    it("knows an entry by its key, whatever became of it, until its job is forgotten", async () => {
      const known = () =>
        Promise.all([1n, 2n, 3n, 4n, 5n].map((seq) => store.hasEntry("issued", channel, keyOf({ seq }))));
      for (const seq of [1n, 2n, 3n, 4n]) await store.addEntry("issued", channel, entry(seq, 1n));
      await store.setEntries(
        "issued",
        channel,
        [1n, 2n].map((seq) => keyOf({ seq })),
        "vouchered",
      );
      await store.setEntries("issued", channel, [keyOf({ seq: 3n })], "forfeited");
      assert.deepEqual(await known(), [true, true, true, true, false]);
      assert.equal(await store.hasEntry("held", channel, keyOf({ seq: 1n })), false);
      await store.forgetJob("issued", channel, job);
      assert.deepEqual(await known(), [false, false, false, true, false]);
    });

    it("lists open entries of one state", async () => {
      await store.addEntry("held", channel, entry(1n, 10n));
      await store.addEntry("held", channel, entry(2n, 20n, "payable"));
      const listed = async (state: "waiting" | "payable") =>
        (await store.openEntries("held", channel, state)).map(({ seq }) => seq);
      assert.deepEqual([await listed("waiting"), await listed("payable")], [[1n], [2n]]);
    });

    it("lists open entries by job, attempt and segment", async () => {
      for (const seq of [300n, 2n, 10n]) await store.addEntry("held", channel, entry(seq, 1n));
      await store.addEntry("held", channel, { ...entry(1n, 1n), attempt: 10 });
      await store.addEntry("held", channel, { ...entry(1n, 1n), attempt: 2 });
      const open = await store.openEntries("held", channel);
      assert.equal(await store.countOpen("held", channel), open.length);
      assert.deepEqual(
        open.map(({ attempt, seq }) => [attempt, seq]),
        [
          [1, 2n],
          [1, 10n],
          [1, 300n],
          [2, 1n],
          [10, 1n],
        ],
      );
    });

    it("counts what is payable or vouchered, and leaves final states alone", async () => {
      for (const seq of [1n, 2n, 3n]) await store.addEntry("issued", channel, entry(seq, 10n ** 40n));
      assert.equal(await store.totalExact("issued", channel), 0n);
      await store.setEntries("issued", channel, [keyOf({ seq: 1n }), keyOf({ seq: 2n })], "payable");
      assert.equal(await store.totalExact("issued", channel), 2n * 10n ** 40n);
      await store.setEntries("issued", channel, [keyOf({ seq: 2n }), keyOf({ seq: 77n })], "forfeited");
      assert.equal(await store.totalExact("issued", channel), 10n ** 40n);
      await store.setEntries("issued", channel, [keyOf({ seq: 3n })], "vouchered");
      await store.setEntries("issued", channel, [keyOf({ seq: 2n })], "payable");
      await store.setEntries("issued", channel, [keyOf({ seq: 3n })], "forfeited");
      assert.equal(await store.totalExact("issued", channel), 2n * 10n ** 40n);
      assert.deepEqual(await store.openEntries("issued", channel), [entry(1n, 10n ** 40n, "payable")]);
      assert.equal(await store.countOpen("issued", channel), 1);
    });

    it("forgets a job's closed entries and keeps their total", async () => {
      await store.addEntry("held", channel, entry(1n, 5n, "payable"));
      await store.addEntry("held", channel, entry(2n, 6n));
      await store.setEntries("held", channel, [keyOf({ seq: 1n })], "vouchered");
      await store.forgetJob("held", channel, job);
      assert.equal(await store.totalExact("held", channel), 5n);
      assert.deepEqual(await store.openEntries("held", channel), [entry(2n, 6n)]);
      assert.equal(await store.addEntry("held", channel, entry(1n, 5n)), true);
    });

    it("remembers the largest total collected", async () => {
      const record = { channel, collected: 20n, transaction: hexOf(32, 5), blockNumber: 12n };
      await store.putCollected(record);
      await store.putCollected({ ...record, collected: 19n, transaction: hexOf(32, 6) });
      assert.deepEqual(await (await fixture.reopen()).collected(channel), record);
    });

    it("agrees with a plain model after any sequence of changes", async () => {
      const step = fc.record({
        kind: fc.constantFrom("add", "payable", "forfeited", "vouchered", "put", "forget", "restart" as const),
        seq: fc.bigInt({ min: 0n, max: 5n }),
        exact: fc.bigInt({ min: 0n, max: 10n ** 42n }),
      });
      let run = 100;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          run += 1;
          const id = hexOf(32, run);
          const model = new Map<bigint, LedgerEntry>();
          let seq = 0n;
          let forgottenExact = 0n;
          const isCounted = ({ state }: LedgerEntry) => state === "payable" || state === "vouchered";
          for (const { kind, seq: at, exact } of steps) {
            const known = model.get(at);
            const isOpen = known?.state === "waiting" || known?.state === "payable";
            if (kind === "add") {
              assert.equal(await store.addEntry("issued", id, entry(at, exact)), known === undefined);
              if (known === undefined) model.set(at, entry(at, exact));
            } else if (kind === "put") {
              const record = voucherRecord(seq + 1n, exact % 2n ** 128n, id);
              await store.put("issued", { record, expectedSeq: seq, covered: [keyOf({ seq: at })] });
              if (isOpen) model.set(at, { ...known, state: "vouchered" });
              seq += 1n;
            } else if (kind === "forget") {
              await store.forgetJob("issued", id, job);
              for (const [of, entry] of model) {
                if (entry.state === "waiting" || entry.state === "payable") continue;
                if (isCounted(entry)) forgottenExact += entry.exact;
                model.delete(of);
              }
            } else if (kind === "restart") {
              store = fixture.another();
            } else {
              await store.setEntries("issued", id, [keyOf({ seq: at })], kind);
              if (isOpen) model.set(at, { ...known, state: kind });
            }
          }
          store = fixture.another();
          const entries = [...model.values()].sort((left, right) => (left.seq < right.seq ? -1 : 1));
          const open = entries.filter(({ state }) => state === "waiting" || state === "payable");
          assert.deepEqual(await store.openEntries("issued", id), open);
          assert.equal(
            await store.totalExact("issued", id),
            entries.filter(isCounted).reduce((sum, { exact }) => sum + exact, forgottenExact),
          );
          assert.equal((await store.newest("issued", id))?.voucher.value.seq ?? 0n, seq);
        }),
        { numRuns: 25 },
      );
    });
  });
}
