import { getDecimals } from "@leat/sdk/client/actions/account.ts";
import { type ApiCaller, getStream, listJobs } from "@leat/sdk/client/actions/streams.ts";
import { createClient } from "@leat/sdk/client/create-client.ts";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import { exactPerBaseUnit } from "@leat/sdk/protocol/units.ts";
import { readPayees } from "./channels.ts";
import type { LocalNetwork } from "./local-network.ts";

const lookMs = 300;

/**
 * Resolves with undefined when a stream is over, its jobs have ended, and every channel is vouchered to the last whole
 * base unit and collected; after `limitMs` without that, with what still is not, in words.
 */
export async function whenSettled(
  network: LocalNetwork,
  caller: ApiCaller,
  stream: string,
  limitMs: number,
): Promise<string | undefined> {
  const untilMs = Date.now() + limitMs;
  for (;;) {
    const open = await findUnsettled(network, caller, stream);
    if (open.length === 0) return undefined;
    if (Date.now() > untilMs) {
      return `not all was paid ${limitMs / 1_000} s after it was played (in base units of the token): ${open.join("; ")}`;
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

async function findUnsettled(network: LocalNetwork, caller: ApiCaller, stream: string): Promise<string[]> {
  const { chain, economy } = network;
  const client = createClient({ rpcUrl: chain.rpcUrl, deployment: economy.deployment });
  const [{ state }, jobs, channels] = await Promise.all([
    getStream(caller, stream),
    listJobs(caller, stream),
    readPayees(network),
  ]);
  const open: string[] = [];
  if (state !== "ended") open.push(`the stream is ${state}`);
  for (const job of jobs) if (job.state !== "ended") open.push(`job ${job.part} is ${job.state}`);
  if (channels.length === 0) open.push("no channel was paid");
  for (const { payer, payee, token, unpaidExact, vouchered, collected } of channels) {
    const one = exactPerBaseUnit(await getDecimals(client, toAddress(token)));
    const unpaid = BigInt(unpaidExact) / one;
    if (unpaid > 0n) open.push(`${unpaid} of ${payer} to ${payee} is not vouchered`);
    if (vouchered !== collected) open.push(`${payer} to ${payee}: ${vouchered} vouchered, ${collected} collected`);
  }
  return open;
}
