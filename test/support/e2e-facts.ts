import assert from "node:assert/strict";
import { readPayees } from "../../scripts/network/channels.ts";
import type { LocalNetwork } from "../../scripts/network/local-network.ts";
import { whenSettled } from "../../scripts/network/settled.ts";
import { listCollections } from "../../sdk/client/actions/account.ts";
import { createClient } from "../../sdk/client/create-client.ts";
import type { TestStream } from "./e2e-stream.ts";
import type { JudgedRung } from "./hls-judge.ts";

export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

export const numbersOf = (rung: JudgedRung) => [...rung.segments.values()].flat();

/** Every number exactly once, in order, and the same numbers under the same segment number in every rung. */
export function assertWhole(rungs: readonly JudgedRung[], names: readonly string[], numbers: readonly number[]): void {
  assert.deepEqual(rungs.map(({ name }) => name).sort(), [...names].sort());
  for (const rung of rungs) {
    assert.deepEqual(numbersOf(rung), numbers, rung.name);
    assert.deepEqual([...rung.segments], [...rungs[0]!.segments], rung.name);
    assert.equal(rung.gaps, 0, rung.name);
  }
}

/** Waits until the stream is over and paid; says what is not, where that does not come. */
export async function settle(network: LocalNetwork, stream: TestStream, limitMs = 60_000): Promise<void> {
  assert.equal(await whenSettled(network, stream.caller, stream.created.id, limitMs), undefined);
}

/** Per channel: what was vouchered was collected, and the contract's events say the same. Answers the channels. */
export async function assertPaid(network: LocalNetwork) {
  const client = createClient({ rpcUrl: network.chain.rpcUrl, deployment: network.economy.deployment });
  const [channels, events] = await Promise.all([readPayees(network), listCollections(client)]);
  assert.notEqual(channels.length, 0);
  for (const { channelId, vouchered, collected } of channels) {
    const sum = events
      .filter((event) => event.channelId === channelId)
      .reduce((total, { amount }) => total + amount, 0n);
    assert.equal(collected, vouchered, channelId);
    assert.equal(sum.toString(), vouchered, channelId);
  }
  return channels;
}
