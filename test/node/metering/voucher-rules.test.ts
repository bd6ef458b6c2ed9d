import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAbiParameters, keccak256 } from "viem";
import { adoptedExtra, judgeOffer, nextVoucher } from "../../../node/metering/voucher-rules.ts";
import { channelId, hubChannel } from "../../../sdk/protocol/channel.ts";
import { bytesToHex, type Hex, zeroHash } from "../../../sdk/protocol/hex.ts";
import { merkleRoot } from "../../../sdk/protocol/merkle.ts";
import type { Voucher } from "../../../sdk/protocol/signed.ts";

const address = (byte: string): Hex => `0x${byte.repeat(20)}`;
const channel = hubChannel(address("11"), address("22"), address("33"));
const receipt: Hex = `0x${"ab".repeat(32)}`;
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex);

function offerAfter(held: Voucher | undefined, receiptHashes: readonly Hex[], grows: bigint) {
  const receiptsRoot = merkleRoot(receiptHashes);
  const cumulative = (held?.cumulative ?? 0n) + grows;
  return { voucher: nextVoucher(channel, held, { cumulative, receiptsRoot }), receiptsRoot, receiptHashes };
}

describe("voucher rules", () => {
  it("names a channel as the escrow does", () => {
    const { payer, payee, token } = channel;
    const types = ["address", "address", "address", "uint256", "uint32"].map((type) => ({ type }));
    assert.equal(
      channelId({ ...channel, cluster: 2n ** 200n, clusterPpm: 77 }),
      keccak256(encodeAbiParameters(types, [payer, payee, token, 2n ** 200n, 77])),
    );
  });

  it("follows any chain that a payer makes, and knows the last one again", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ hashes: fc.array(hash, { maxLength: 5 }), grows: fc.bigInt({ min: 0n, max: 2n ** 64n }) }),
          {
            maxLength: 12,
          },
        ),
        (steps) => {
          let held: Voucher | undefined;
          for (const { hashes, grows } of steps) {
            const offer = offerAfter(held, hashes, grows);
            assert.equal(judgeOffer(held, offer), "next");
            held = offer.voucher;
            assert.equal(judgeOffer(held, offer), "again");
          }
        },
      ),
    );
  });

  it("tells a skipped seq, an old one, a fork and a fallen total apart", () => {
    const first = offerAfter(undefined, [], 10n);
    const second = offerAfter(first.voucher, [receipt], 5n);
    const third = offerAfter(second.voucher, [], 5n);
    assert.equal(judgeOffer(first.voucher, third), "VOUCHER_SKIPPED");
    assert.equal(judgeOffer(second.voucher, first), "VOUCHER_STALE");
    const fallen = { ...second, voucher: { ...second.voucher, cumulative: 9n } };
    assert.equal(judgeOffer(first.voucher, fallen), "VOUCHER_TOTAL_FELL");
    const fork = offerAfter(undefined, [receipt], 10n);
    assert.equal(judgeOffer(first.voucher, fork), "VOUCHER_FORKED");
  });

  it("refuses what can never be right", () => {
    const first = offerAfter(undefined, [receipt], 10n);
    const second = offerAfter(first.voucher, [], 0n);
    assert.throws(() => judgeOffer(undefined, second), { code: "VOUCHER_CHAIN_UNKNOWN" });
    assert.throws(() => judgeOffer(undefined, { ...first, receiptHashes: [] }), { code: "VOUCHER_ROOT_WRONG" });
    const forged = { ...first, voucher: { ...first.voucher, usageRoot: zeroHash } };
    assert.throws(() => judgeOffer(undefined, forged), { code: "VOUCHER_ROOT_WRONG" });
    const foreign = { ...second, voucher: { ...second.voucher, token: address("44") } };
    assert.throws(() => judgeOffer(first.voucher, foreign), { code: "VOUCHER_CHANNEL_WRONG" });
    assert.throws(() => offerAfter(first.voucher, [], -1n), { code: "METERING_VOUCHERED_FELL" });
  });

  it("counts what a payer forgot as work done, not as paid ahead", () => {
    const { voucher } = offerAfter(undefined, [], 10n);
    assert.deepEqual(
      [0n, 4n, 12n].map((known) => adoptedExtra(known, voucher)),
      [10n, 6n, 0n],
    );
  });
});
