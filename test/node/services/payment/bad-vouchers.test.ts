import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createNodeKey, type NodeKey } from "../../../../node/kernel/keys.ts";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import type { PayeeService } from "../../../../node/services/payment/payee-service.ts";
import { type Channel, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { createDomain, type Domain } from "../../../../sdk/protocol/eip712.ts";
import { type Address, type Hex, zeroAddress, zeroHash } from "../../../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../../../sdk/protocol/job.ts";
import { type Voucher, voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { clusterAccount, domain, randomHash, token, usePayments } from "../../../support/payment-pair.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const otherToken: Address = `0x${"71".repeat(20)}`;
const otherCluster: Address = `0x${"c2".repeat(20)}`;

describe("bad vouchers", () => {
  const { on, openStore, startPayee } = usePayments();
  let buyer: NodeKey;
  let payee: PayeeService;
  let retail: Channel;
  let held: Voucher;
  beforeEach(async () => {
    buyer = createNodeKey(randomBytes(32));
    retail = hubChannel(buyer.address, clusterAccount, token);
    payee = await startPayee(await openStore(), clusterAccount, undefined, [token]);
    const first = await signed(nextVoucher(retail, undefined, { cumulative: 10n, receiptsRoot: zeroHash }));
    await payee.accept(first);
    held = first.voucher.value;
  });

  const signed = async (value: Voucher, by = buyer, under: Domain = domain): Promise<VoucherOffer> => {
    const signature = await by.signer.sign(voucherStructure, under, value);
    return { voucher: { value, signature }, receiptsRoot: zeroHash, receiptHashes: [], kind: "prepay" };
  };
  const next = (change: Partial<Voucher> = {}): Voucher => ({
    ...nextVoucher(retail, held, { cumulative: 20n, receiptsRoot: zeroHash }),
    ...change,
  });
  const resigned = async (change: (signature: Hex) => string): Promise<VoucherOffer> => {
    const offer = await signed(next());
    return { ...offer, voucher: { ...offer.voucher, signature: change(offer.voucher.signature) as Hex } };
  };
  const mirrored = (signature: Hex) => {
    const s = order - BigInt(`0x${signature.slice(66, 130)}`);
    return `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${signature.endsWith("1b") ? "1c" : "1b"}`;
  };
  const cluster = createDomain(domain.chainId, otherCluster);

  const refused: Record<string, readonly [code: string, make: () => Promise<VoucherOffer>]> = {
    "signed for another chain": ["VOUCHER_CHAIN_WRONG", () => signed(next(), buyer, { ...domain, chainId: 42_161 })],
    "signed for the token as contract": [
      "VOUCHER_CONTRACT_WRONG",
      () => signed(next(), buyer, { ...domain, verifyingContract: token }),
    ],
    "signed for a contract that nobody knows": ["VOUCHER_SIGNER_WRONG", () => signed(next(), buyer, cluster)],
    "signed by a stranger": ["VOUCHER_SIGNER_WRONG", () => signed(next(), createNodeKey(randomBytes(32)))],
    "with the mirror image of a signature": ["VOUCHER_SIGNATURE_HIGH_S", () => resigned(mirrored)],
    "with a short signature": ["VOUCHER_SIGNATURE_LENGTH", () => resigned((text) => text.slice(0, -4))],
    "with a long signature": ["VOUCHER_SIGNATURE_LENGTH", () => resigned((text) => `${text}00`)],
    "with no signature": ["VOUCHER_SIGNATURE_LENGTH", () => resigned(() => "0x")],
    "with a recovery id that is none": ["VOUCHER_SIGNATURE_RECOVERY_ID", () => resigned((t) => `${t.slice(0, 130)}1d`)],
    "with a signature of nobody": ["VOUCHER_SIGNATURE_INVALID", () => resigned(() => `0x${"00".repeat(64)}1b`)],
    "over another total than was signed": [
      "VOUCHER_SIGNER_WRONG",
      async () => {
        const offer = await signed(next());
        return { ...offer, voucher: { ...offer.voucher, value: next({ cumulative: 21n }) } };
      },
    ],
    "to another payee": ["VOUCHER_PAYEE_WRONG", () => signed(next({ payee: otherCluster }))],
    "to nobody": ["VOUCHER_PAYEE_WRONG", () => signed(next({ payee: zeroAddress }))],
    "from nobody": ["VOUCHER_ADDRESS_ZERO", () => signed(next({ payer: zeroAddress }))],
    "in no token": ["VOUCHER_ADDRESS_ZERO", () => signed(next({ token: zeroAddress }))],
    "in another token": ["VOUCHER_TOKEN_UNKNOWN", () => signed(next({ token: otherToken }))],
    "of a channel with a cluster's share": [
      "VOUCHER_SHARE_UNWANTED",
      () => signed(next({ cluster: 1n, clusterPpm: 10 })),
    ],
    "of a channel with a cluster and no share": ["VOUCHER_SHARE_UNWANTED", () => signed(next({ cluster: 1n }))],
    "of a cluster's account that the signer is no balancer of": [
      "VOUCHER_SIGNER_WRONG",
      async () => {
        const channel = hubChannel(otherCluster, clusterAccount, token);
        return signed(nextVoucher(channel, undefined, { cumulative: 1n, receiptsRoot: zeroHash }));
      },
    ],
    "with a root of other receipts": ["VOUCHER_ROOT_WRONG", () => signed(next({ usageRoot: randomHash() }))],
    "that begins in the middle": [
      "VOUCHER_CHAIN_UNKNOWN",
      async () => {
        const other = createNodeKey(randomBytes(32));
        const channel = hubChannel(other.address, clusterAccount, token);
        return signed({ ...next(), ...channel, seq: 2n }, other);
      },
    ],
    "above the reserve": [
      "VOUCHER_ABOVE_RESERVE",
      async () => {
        on.chain.set(retail, { reserve: 19n });
        await on.clock.advance(5_000);
        return signed(next());
      },
    ],
    "above 128 bits": [
      "VOUCHER_FIELD_INVALID",
      async () => {
        on.chain.set(retail, { reserve: 1n << 200n });
        await on.clock.advance(5_000);
        const offer = await signed(next());
        return { ...offer, voucher: { ...offer.voucher, value: next({ cumulative: 1n << 128n }) } };
      },
    ],
  };
  for (const [name, [code, make]] of Object.entries(refused)) {
    it(`are refused with ${code}: ${name}`, async () => {
      await assert.rejects(payee.accept(await make()), { code });
      assert.equal((await payee.status()).find(({ channel }) => channel.payer === buyer.address)?.vouchered, 10n);
    });
  }

  const answered: Record<string, readonly [code: string, make: () => Voucher]> = {
    "a fork: the same seq, another total": ["VOUCHER_FORKED", () => ({ ...held, cumulative: 11n })],
    "a fork: the same seq, another root": ["VOUCHER_FORKED", () => ({ ...held, usageRoot: randomHash() })],
    "a lower total": ["VOUCHER_TOTAL_FELL", () => next({ cumulative: 9n })],
    "a seq that was left out": ["VOUCHER_SKIPPED", () => next({ seq: 3n })],
    "an old one": ["VOUCHER_STALE", () => next({ seq: 0n })],
  };
  for (const [name, [code, make]] of Object.entries(answered)) {
    it(`are answered with what is held and ${code}: ${name}`, async () => {
      const answer = await payee.accept(await signed(make()));
      assert.ok("held" in answer);
      assert.deepEqual([answer.code, answer.held.value], [code, held]);
    });
  }
});
