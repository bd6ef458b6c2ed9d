import assert from "node:assert/strict";
import { type Hex, parseEventLogs } from "viem";
import type { NodeKey } from "../../../node/kernel/keys.ts";
import { deposit, getCollectStatus, reserve } from "../../../sdk/client/actions/account.ts";
import { createCluster } from "../../../sdk/client/actions/cluster.ts";
import { joinOperator } from "../../../sdk/client/actions/operator.ts";
import { write } from "../../../sdk/client/transaction.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import { hubChannel, packTotal } from "../../../sdk/protocol/channel.ts";
import { createDomain, type Domain } from "../../../sdk/protocol/eip712.ts";
import { type Address, zeroAddress, zeroHash } from "../../../sdk/protocol/hex.ts";
import { type Voucher, voucherStructure } from "../../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../../sdk/protocol/statements.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const reasons = { payeeUnknown: 0, share: 1, notCluster: 2, nothingNew: 3, signature: 4 };

interface Claim {
  readonly payer: Address;
  readonly total: bigint;
  readonly usageRoot: Hex;
  readonly r: Hex;
  readonly vs: Hex;
}

describe("payment escrow: claims that cannot stand", () => {
  let anvil: AnvilChain;
  let buyer: NodeKey;
  let stranger: NodeKey;
  let node: NodeKey;
  let other: NodeKey;
  let cluster: bigint;
  let domain: Domain;
  let good: Voucher;
  before(async function () {
    this.timeout(60_000);
    anvil = await openAnvil();
    const operator = await anvil.key(1);
    [node, buyer, stranger, other] = [await anvil.key(2), await anvil.key(3), await anvil.key(4), await anvil.key(5)];
    const { tokens, chainId, escrow } = anvil.deployment;
    domain = createDomain(chainId, escrow);
    await anvil.mint(tokens.LPT, operator.address, 200n * 10n ** 18n);
    await joinOperator(anvil.client(operator), {
      stake: 150n * 10n ** 18n,
      node: node.signer,
      endpoint: "http://127.0.0.1/o",
    });
    ({ cluster } = await createCluster(anvil.client(stranger), { terms: "", balancers: [other.signer] }));
    for (const token of [tokens.USDC, tokens.LPT]) {
      await anvil.mint(token, buyer.address, 1_000n);
      await deposit(anvil.client(buyer), { token, amount: 1_000n });
      await reserve(anvil.client(buyer), { payee: node.address, token, amount: 500n });
    }
    good = { ...hubChannel(buyer.address, node.address, tokens.USDC), cumulative: 10n, seq: 1n, usageRoot: zeroHash };
    assert.equal(await collect(good, await claimOf(good)), "collected");
  });
  after(() => anvil?.close());

  const claimOf = async (voucher: Voucher, by = buyer, under = domain): Promise<Claim> => {
    const { payer, usageRoot } = voucher;
    const signature = await by.signer.sign(voucherStructure, under, voucher);
    return { payer, total: packTotal(voucher), usageRoot, ...toCompactSignature(signature) };
  };
  /** Presented as if it were of the channel of `as`: the reason for which it was passed over, or that it was not. */
  const collect = async (
    as: Voucher,
    claim: Claim,
    clusters: { payeeCluster?: bigint; payerCluster?: bigint } = {},
  ) => {
    const { payee, token, cluster: of, clusterPpm } = as;
    const group = {
      payee,
      payeeCluster: 0n,
      payerCluster: 0n,
      token,
      cluster: of,
      clusterPpm,
      claims: [claim],
      ...clusters,
    };
    const call = {
      address: anvil.deployment.escrow,
      abi: paymentEscrowAbi,
      functionName: "collect",
      args: [[group]],
    } as const;
    const { receipt } = await write(anvil.client(stranger), call);
    const [skipped] = parseEventLogs({ abi: paymentEscrowAbi, logs: receipt.logs, eventName: "ClaimSkipped" });
    return skipped?.args.reason ?? "collected";
  };
  const next = (change: Partial<Voucher> = {}): Voucher => ({ ...good, cumulative: 20n, seq: 2n, ...change });
  const mirrored = async (): Promise<Claim> => {
    const claim = await claimOf(next());
    const vs = BigInt(claim.vs);
    const s = vs & ((1n << 255n) - 1n);
    const flipped = ((vs >> 255n) ^ 1n) << 255n;
    // Above half of the order there is no room for s beside the recovery bit: what is left of it is another number.
    return { ...claim, vs: `0x${(((order - s) & ((1n << 255n) - 1n)) | flipped).toString(16).padStart(64, "0")}` };
  };
  const elsewhere = (change: Partial<Domain>) =>
    createDomain(change.chainId ?? domain.chainId, change.verifyingContract ?? domain.verifyingContract);

  type Case = readonly [
    reason: number,
    make: () => Promise<readonly [Voucher, Claim, { payeeCluster?: bigint; payerCluster?: bigint }?]>,
  ];
  const cases: Record<string, Case> = {
    "signed for another chain": [
      reasons.signature,
      async () => [next(), await claimOf(next(), buyer, elsewhere({ chainId: 1 }))],
    ],
    "signed for another contract": [
      reasons.signature,
      async () => [
        next(),
        await claimOf(next(), buyer, elsewhere({ verifyingContract: anvil.deployment.operatorRegistry })),
      ],
    ],
    "signed by a stranger": [reasons.signature, async () => [next(), await claimOf(next(), stranger)]],
    "with a malleable signature": [reasons.signature, async () => [next(), await mirrored()]],
    "with s just above half of the order": [
      reasons.signature,
      async () => [next(), { ...(await claimOf(next())), vs: `0x${((order - 1n) / 2n + 1n).toString(16)}` }],
    ],
    "with an empty signature": [
      reasons.signature,
      async () => [next(), { ...(await claimOf(next())), r: zeroHash, vs: zeroHash }],
    ],
    "with a cut signature": [reasons.signature, async () => [next(), { ...(await claimOf(next())), vs: zeroHash }]],
    "from nobody": [reasons.signature, async () => [next(), { ...(await claimOf(next())), payer: zeroAddress }]],
    "over a higher total than was signed": [
      reasons.signature,
      async () => [
        next(),
        await claimOf(next()).then((claim) => ({ ...claim, total: packTotal(next({ cumulative: 21n })) })),
      ],
    ],
    "over another seq than was signed": [
      reasons.signature,
      async () => [next(), await claimOf(next()).then((claim) => ({ ...claim, total: packTotal(next({ seq: 3n })) }))],
    ],
    "over another usage root than was signed": [
      reasons.signature,
      async () => [next(), { ...(await claimOf(next())), usageRoot: `0x${"11".repeat(32)}` }],
    ],
    "replayed on another token": [
      reasons.signature,
      async () => [next({ token: anvil.deployment.tokens.LPT }), await claimOf(next())],
    ],
    "replayed for another payee": [
      reasons.payeeUnknown,
      async () => [next({ payee: other.address }), await claimOf(next())],
    ],
    "for nobody": [
      reasons.payeeUnknown,
      async () => [next({ payee: zeroAddress }), await claimOf(next({ payee: zeroAddress }))],
    ],
    "replayed with a cluster's share": [
      reasons.share,
      async () => [next({ cluster, clusterPpm: 10 }), await claimOf(next())],
    ],
    "with a share and no cluster": [
      reasons.share,
      async () => [next({ clusterPpm: 10 }), await claimOf(next({ clusterPpm: 10 }))],
    ],
    "from a payer that is not the cluster": [
      reasons.notCluster,
      async () => [next(), await claimOf(next(), other), { payerCluster: cluster }],
    ],
    "for an account that is not the cluster's": [
      reasons.payeeUnknown,
      async () => [next(), await claimOf(next()), { payeeCluster: cluster }],
    ],
    "for a cluster that does not exist": [
      reasons.payeeUnknown,
      async () => [next(), await claimOf(next()), { payeeCluster: 99n }],
    ],
    "presented again": [reasons.nothingNew, async () => [good, await claimOf(good)]],
    "with a lower total": [
      reasons.nothingNew,
      async () => [next({ cumulative: 9n }), await claimOf(next({ cumulative: 9n }))],
    ],
    "of a fork with the same total": [
      reasons.nothingNew,
      async () => [good, await claimOf({ ...good, usageRoot: `0x${"22".repeat(32)}` })],
    ],
  };
  for (const [name, [reason, make]] of Object.entries(cases)) {
    it(`are passed over with reason ${reason}: ${name}`, async () => {
      const [as, claim, clusters] = await make();
      assert.equal(await collect(as, claim, clusters), reason);
      assert.equal((await getCollectStatus(anvil.client(buyer), good)).collected, 10n);
    });
  }

  it("pay the larger total of a fork once, whichever came first", async () => {
    const fork = next({ cumulative: 15n, seq: 1n, usageRoot: `0x${"33".repeat(32)}` });
    assert.equal(await collect(fork, await claimOf(fork)), "collected");
    assert.equal(await collect(fork, await claimOf(fork)), reasons.nothingNew);
    assert.equal((await getCollectStatus(anvil.client(buyer), good)).collected, 15n);
  });
});
