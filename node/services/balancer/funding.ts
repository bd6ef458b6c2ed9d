import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Prices } from "@leat/sdk/protocol/job.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import { promisedReserve } from "../../metering/allotment.ts";
import { CREDIT_SECONDS, PREPAY_SECONDS } from "../../metering/credit.ts";
import { BalancerError } from "./errors.ts";
import type { BalancerComponents } from "./ports.ts";
import { guessUnitsPerSecond, type WantedRenditions } from "./renditions.ts";

/**
 * Refuses a buyer whose confirmed, unthawing reserve towards the cluster, as far as its agent may sign for it, cannot
 * carry the prepayment and the credit of a stream of this ladder: 70 s at the retail prices. Answers the reserve.
 */
export async function checkFunding(
  components: Pick<BalancerComponents, "chain" | "clock" | "clusterAccount" | "hub" | "tokenNames">,
  buyer: Address,
  token: Address,
  wanted: WantedRenditions,
  retail: Prices,
): Promise<{ readonly reserveExact: bigint }> {
  const { chain, clock, clusterAccount, hub, tokenNames } = components;
  let exactPerSecond = 0n;
  for (const [unit, units] of guessUnitsPerSecond(wanted)) exactPerSecond += (retail[unit] ?? 0n) * units;
  const neededExact = exactPerSecond * (PREPAY_SECONDS + CREDIT_SECONDS);
  const channel = hubChannel(buyer, clusterAccount, token);
  const state = await chain.channelState(channel);
  // An agent that signs by a key of its own can promise no more than that was allotted.
  const key = hub.nodes.get(buyer)?.hello.node ?? buyer;
  const allotment = key === buyer ? undefined : ((await chain.allotment(channel, key)) ?? { cap: 0n, validUntil: 0n });
  const reserve = promisedReserve(state, allotment, BigInt(Math.floor(clock.nowMs() / 1_000)));
  const reserveExact = toExact(reserve, await chain.decimalsOf(token));
  if (reserve === 0n || reserveExact < neededExact) {
    throw new BalancerError({
      code: "BUYER_UNFUNDED",
      token: tokenNames.get(token) ?? token,
      neededExact,
      reserveExact,
    });
  }
  return { reserveExact };
}
