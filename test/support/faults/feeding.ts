import assert from "node:assert/strict";
import { inspect } from "node:util";
import type { VoucherOffer } from "../../../sdk/protocol/job.ts";
import type { PayeeHandle } from "./payee-handle.ts";
import type { PayeeWorld, TestPayee, TestPayer } from "./payee-world.ts";

/** Offers one voucher and takes its acknowledgement down; undefined when the payee is gone. */
export async function feedOne(process: PayeeHandle, payer: TestPayer, more: bigint): Promise<true | undefined> {
  return await feedOffer(process, payer, await payer.next(more));
}

/** The same for a voucher that is signed, also one that was refused before. */
export async function feedOffer(
  process: PayeeHandle,
  payer: TestPayer,
  offer: VoucherOffer,
): Promise<true | undefined> {
  const reply = await process.offer(offer);
  if (reply === undefined) return undefined;
  assert.equal(reply.of, "answer", inspect(reply));
  const { answer } = reply as { answer: { acknowledged?: { seq: bigint } } };
  assert.ok(answer.acknowledged !== undefined, "the payee knows another past than it acknowledged");
  payer.acknowledged = offer.voucher.value;
  return true;
}

/** Everything acknowledged comes in, once: collected is what was acknowledged, and each transaction brought money. */
export async function assertPaidOnce(world: PayeeWorld, payee: TestPayee): Promise<void> {
  for (const payer of payee.payers) await world.whenCollected(payer, payer.acknowledged?.cumulative ?? 0n);
  const { sent, idle } = await world.transactionsOf(payee);
  assert.deepEqual(idle, [], `of ${sent} transactions: ${inspect(idle)}`);
}
