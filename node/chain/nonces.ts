import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { PublicClient } from "viem";
import type { Outgoing } from "./transaction-book.ts";

/** Blocks that are looked through one by one where an endpoint no longer has the state of old ones. */
const MAX_SCANNED = 2_000n;

/**
 * The transaction of `address` with this nonce, found in its block between `above` (where the nonce was free) and `upTo`.
 * A count alone proves nothing: an endpoint that lies about it would have us give up a transaction that still comes.
 * "unknowable" when the blocks are too many to look through without state.
 */
export async function findUse(
  client: PublicClient,
  address: Address,
  nonce: number,
  above: bigint,
  upTo: bigint,
): Promise<Hex | "unknowable" | undefined> {
  const isUsedAt = async (blockNumber: bigint) => (await client.getTransactionCount({ address, blockNumber })) > nonce;
  const findIn = async (blockNumber: bigint): Promise<Hex | undefined> => {
    const { transactions } = await client.getBlock({ blockNumber, includeTransactions: true });
    return transactions.find((one) => one.from.toLowerCase() === address && one.nonce === nonce)?.hash;
  };
  let [free, used] = [above, upTo];
  try {
    while (used - free > 1n) {
      const middle = (free + used) / 2n;
      if (await isUsedAt(middle)) used = middle;
      else free = middle;
    }
    return await findIn(used);
  } catch {
    if (upTo - above > MAX_SCANNED) return "unknowable";
    for (let at = upTo; at > above; at -= 1n) {
      const found = await findIn(at);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

export interface NonceSource {
  readonly client: PublicClient;
  readonly clock: Clock;
  readonly address: Address;
  /** What this store signed with the highest nonce. */
  readonly newest: Outgoing | undefined;
}

export interface NonceOptions {
  readonly lookEveryMs: number;
  readonly confirmedDepth: number;
  readonly waitMs: number;
}

/**
 * The nonce after our own last one. The chain's count is believed only upwards, and only with the transaction in hand
 * that used the nonce before: a count that is too high would leave a hole that nothing fills.
 */
export async function findNonce(
  source: NonceSource,
  options: NonceOptions,
  signal: AbortSignal,
): Promise<Pick<Outgoing, "nonce" | "sinceBlock">> {
  const { client, address, newest } = source;
  const head = await client.getBlockNumber({ cacheTime: 0 });
  const depth = BigInt(options.confirmedDepth);
  const sinceBlock = head > depth ? head - depth : 0n;
  if (newest === undefined) return { nonce: await findFirstNonce(source, options, signal), sinceBlock };
  const nonce = newest.nonce + 1;
  const count = await client.getTransactionCount({ address, blockNumber: sinceBlock });
  const end = newest.ended?.blockNumber ?? newest.sinceBlock;
  const above = end > depth ? end - depth : 0n;
  if (count <= nonce || sinceBlock <= above) return { nonce, sinceBlock: sinceBlock < above ? sinceBlock : above };
  const use = await findUse(client, address, count - 1, above, sinceBlock);
  if (use === undefined || use === "unknowable") return { nonce, sinceBlock: above };
  return { nonce: count, sinceBlock };
}

/** This store knows nothing of the key: what an earlier one sent must be in a block before anything is judged. */
async function findFirstNonce(
  { client, clock, address }: NonceSource,
  { lookEveryMs, waitMs }: NonceOptions,
  signal: AbortSignal,
): Promise<number> {
  const until = clock.nowMs() + waitMs;
  for (;;) {
    const [pending, latest] = await Promise.all([
      client.getTransactionCount({ address, blockTag: "pending" }),
      client.getTransactionCount({ address, blockTag: "latest" }),
    ]);
    if (pending <= latest || clock.nowMs() >= until) return latest;
    await clock.sleep(lookEveryMs, signal);
  }
}
