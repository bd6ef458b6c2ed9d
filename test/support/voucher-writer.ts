import { Database } from "../../node/store/database.ts";
import { LevelReceiptStore } from "../../node/store/receipts.ts";
import { LevelVoucherStore } from "../../node/store/vouchers.ts";
import { bytesToHex, type Hex } from "../../sdk/protocol/hex.ts";
import { voucherRecord } from "../suites/voucher-store.ts";

/**
 * A process of its own that writes vouchers of many channels and receipts at once until it is killed, and says on
 * stdout what was acknowledged: `v <channel> <seq>` and `r <key>`. When the disk refuses, it says first how many open
 * entries the store shows too many or too few (`e <number>`). Arguments: location, first number.
 */
const [location, start] = process.argv.slice(2);
const channels = 8;

const channelOf = (number: number): Hex => {
  const bytes = new Uint8Array(32);
  bytes[31] = number;
  return bytesToHex(bytes);
};

const say = (line: string) => process.stdout.write(`${line}\n`);
const booked = channelOf(channels + 1);
let entries = 0;
let vouchers: LevelVoucherStore | undefined;

try {
  const database = await Database.open(location!);
  const store = new LevelVoucherStore(database);
  const receipts = new LevelReceiptStore<{ text: string }>(database);
  entries = (await store.openEntries("held", booked)).length;
  vouchers = store;
  const writeVouchers = async (channel: Hex) => {
    let seq = (await store.newest("held", channel))?.voucher.value.seq ?? 0n;
    for (;;) {
      const record = voucherRecord(seq + 1n, (seq + 1n) * 10n, channel);
      const result = await store.put("held", { record, expectedSeq: seq, covered: [] });
      if (!result.stored) throw new Error("somebody else writes");
      seq += 1n;
      say(`v ${channel} ${seq}`);
    }
  };
  const writeReceipts = async () => {
    for (let number = Number(start); ; number += 1) {
      await receipts.put(`receipt/${number}`, { text: `work ${number}` });
      say(`r ${number}`);
    }
  };
  const writeEntries = async () => {
    for (let seq = BigInt(start!); ; seq += 1n) {
      const entry = { job: booked, attempt: 1, seq, exact: 1n, receiptHash: booked, state: "waiting" } as const;
      if (await store.addEntry("held", booked, entry)) entries += 1;
    }
  };
  await Promise.all([
    ...Array.from({ length: channels }, (_, at) => writeVouchers(channelOf(at + 1))),
    writeReceipts(),
    writeEntries(),
  ]);
} catch (error) {
  // Nothing of a write that failed may be seen again.
  if (vouchers !== undefined) say(`e ${(await vouchers.openEntries("held", booked)).length - entries}`);
  process.stdout.write(`error ${(error as { code?: string }).code ?? String(error)}\n`);
  process.exitCode = 3;
}
