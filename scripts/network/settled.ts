import { getDecimals } from "@leat/sdk/client/actions/account.ts";
import type { ApiCaller } from "@leat/sdk/client/actions/streams.ts";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import { exactPerBaseUnit } from "@leat/sdk/protocol/units.ts";
import { readPayees } from "./channels.ts";
import { readJobs, readStream } from "./cluster-api.ts";
import type { LocalNetwork } from "./local-network.ts";

const lookMs = 300;

/**
 * Resolves when a stream is over, its jobs have ended, and every channel is vouchered to the last whole base unit and
 * collected.
 */
export async function whenSettled(network: LocalNetwork, caller: ApiCaller, stream: string): Promise<void> {
  const client = caller.client as Parameters<typeof getDecimals>[0];
  for (;;) {
    const [{ state }, jobs, channels] = await Promise.all([
      readStream(caller, stream),
      readJobs(caller, stream),
      readPayees(network),
    ]);
    const paid = await Promise.all(
      channels.map(async ({ token, unpaidExact, vouchered, collected }) => {
        const one = exactPerBaseUnit(await getDecimals(client, toAddress(token)));
        return vouchered === collected && BigInt(unpaidExact) < one;
      }),
    );
    const over = state === "ended" && jobs.every((job) => job.state === "ended");
    if (over && channels.length > 0 && paid.every(Boolean)) return;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
