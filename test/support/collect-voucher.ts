import type { NodeKey } from "../../node/kernel/keys.ts";
import { write } from "../../sdk/client/transaction.ts";
import { paymentEscrowAbi } from "../../sdk/protocol/abi/payment-escrow.ts";
import { hubChannel, packTotal } from "../../sdk/protocol/channel.ts";
import { createDomain } from "../../sdk/protocol/eip712.ts";
import { type Address, zeroHash } from "../../sdk/protocol/hex.ts";
import { voucherStructure } from "../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../sdk/protocol/statements.ts";
import type { AnvilChain } from "./anvil-chain.ts";

/** Signs the channel's voucher for a total as its payer, and has the escrow pay it. */
export async function collectVoucher(
  anvil: AnvilChain,
  payer: NodeKey,
  voucher: { readonly payee: Address; readonly payeeCluster?: bigint; readonly token: Address; readonly total: bigint },
): Promise<void> {
  const { payee, payeeCluster = 0n, token, total } = voucher;
  const { chainId, escrow } = anvil.deployment;
  const value = { ...hubChannel(payer.address, payee, token), cumulative: total, seq: 1n, usageRoot: zeroHash };
  const signature = await payer.signer.sign(voucherStructure, createDomain(chainId, escrow), value);
  const claim = {
    payer: payer.address,
    total: packTotal(value),
    usageRoot: zeroHash,
    ...toCompactSignature(signature),
  };
  const group = { payee, payeeCluster, payerCluster: 0n, token, cluster: 0n, clusterPpm: 0, claims: [claim] };
  const call = { address: escrow, abi: paymentEscrowAbi, functionName: "collect", args: [[group]] } as const;
  await write(anvil.client(payer), call);
}
