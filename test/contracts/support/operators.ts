import assert from "node:assert/strict";
import { permitTypes } from "../../../sdk/protocol/permit.ts";
import { type Actor, never, useWorld } from "./world.ts";

export const lpt = 10n ** 18n;
export const minimumStake = 100n * lpt;
/** What `world().join` stakes. */
export const stake = 1_000n * lpt;

export interface StakeInfo {
  readonly stake: bigint;
  readonly thawing: bigint;
  readonly thawEndsAt: bigint;
  readonly sponsored: bigint;
  readonly sponsoredThawing: bigint;
  readonly slashable: bigint;
}

/** A world for one suite with short ways to the operator registry. */
export function useOperators() {
  const world = useWorld();
  const write = (actor: Actor, name: string, args: readonly unknown[]) =>
    world().write(actor.wallet, "operators", name, args);
  const govern = (name: string, args: readonly unknown[]) => world().write(world().governor, "operators", name, args);
  const read = <T>(name: string, args: readonly unknown[]) => world().read<T>("operators", name, args);

  /** What an operator has at stake; the fields that are not named are 0, `slashable` the sum. */
  async function assertStake(operator: Actor, wanted: Partial<StakeInfo>): Promise<void> {
    const full = { stake: 0n, thawing: 0n, thawEndsAt: 0n, sponsored: 0n, sponsoredThawing: 0n, ...wanted };
    const slashable = full.stake + full.thawing + full.sponsored + full.sponsoredThawing;
    assert.deepEqual(await read("stakeOf", [operator.address]), { slashable, ...full });
  }

  async function permitFor(actor: Actor, value: bigint, deadline = never) {
    const signature = await actor.wallet.signTypedData({
      account: actor.wallet.account,
      domain: { name: "Livepeer Token", version: "1", chainId: 31337, verifyingContract: world().lpt },
      types: permitTypes,
      primaryType: "Permit",
      message: { owner: actor.address, spender: world().addressOf("operators"), value, nonce: 0n, deadline },
    });
    return {
      deadline,
      v: Number.parseInt(signature.slice(130), 16),
      r: `0x${signature.slice(2, 66)}`,
      s: `0x${signature.slice(66, 130)}`,
    };
  }

  /** Puts `amount` of a fresh actor's LPT behind an operator. */
  async function sponsor(operator: Actor, index: number, amount: bigint): Promise<Actor> {
    const actor = await world().actor(index);
    await world().fundStake(actor, amount);
    const noPermit = { deadline: 0n, v: 0, r: `0x${"00".repeat(32)}`, s: `0x${"00".repeat(32)}` };
    await write(actor, "stakeFor", [operator.address, amount, noPermit]);
    return actor;
  }

  /** The one account that may slash. */
  async function makeSlasher(index = 41): Promise<Actor> {
    const slasher = await world().actor(index);
    await govern("setSlasher", [slasher.address]);
    return slasher;
  }

  return { world, write, govern, read, assertStake, permitFor, sponsor, makeSlasher };
}
