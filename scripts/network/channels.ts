import type { LocalNetwork } from "./local-network.ts";

/** One channel as one node tells it at `/v1/payments`: amounts as decimal text. */
export interface ToldChannel {
  readonly side: "payee" | "payer";
  readonly payer: string;
  readonly payee: string;
  readonly token: string;
  readonly channelId: string;
  readonly unpaidExact: string;
  readonly largestUnpaidExact: string;
  readonly vouchered: string;
  readonly collected: string;
  readonly collectTransaction?: string;
}

/** What every payee of the network tells of its channels: the cluster's account and three operators' nodes. */
export async function readPayees(network: LocalNetwork): Promise<ToldChannel[]> {
  const lists = await Promise.all(
    (["balancer", "node-a", "node-b", "node-c"] as const).map(async (name) => {
      const response = await fetch(`${network.httpUrl(name)}/v1/payments`);
      return ((await response.json()) as { channels: ToldChannel[] }).channels;
    }),
  );
  return lists.flat().filter(({ side }) => side === "payee");
}
