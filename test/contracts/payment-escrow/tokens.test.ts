import assert from "node:assert/strict";
import { type Abi, encodeFunctionData, toFunctionSelector } from "viem";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import type { Address, Hex } from "../../../sdk/protocol/hex.ts";
import { type Actor, assertReverts, useWorld } from "../support/world.ts";

const modes = {
  honest: 0,
  takesFee: 1,
  returnsNothing: 2,
  returnsFalse: 3,
  reverts: 4,
  burnsGas: 6,
  answersShort: 7,
} as const;
const trickyAbi = [
  {
    type: "function",
    name: "setMode",
    stateMutability: "nonpayable",
    inputs: [{ name: "mode", type: "uint8" }],
    outputs: [],
  },
  {
    type: "function",
    name: "setReentry",
    stateMutability: "nonpayable",
    inputs: [
      { name: "target", type: "address" },
      { name: "data", type: "bytes" },
    ],
    outputs: [],
  },
  { type: "function", name: "reentered", stateMutability: "view", inputs: [], outputs: [{ type: "bool" }] },
  { type: "function", name: "reentryError", stateMutability: "view", inputs: [], outputs: [{ type: "bytes4" }] },
  {
    type: "function",
    name: "setBlocked",
    stateMutability: "nonpayable",
    inputs: [
      { name: "account", type: "address" },
      { name: "blocked", type: "bool" },
    ],
    outputs: [],
  },
] as const;

describe("PaymentEscrow and tokens that misbehave", () => {
  const world = useWorld();
  let token: Address;
  let buyer: Actor;
  let operator: Actor;
  let node: Actor;

  beforeEach(async () => {
    buyer = await world().actor(20);
    ({ operator, node } = await world().join(3, { pushPayouts: true }));
    token = await world().deploy("mocks/TrickyToken.sol/TrickyToken.json");
    await world().write(world().governor, "escrow", "setTokenAllowed", [token, true]);
  });

  async function tell(functionName: "setMode" | "setReentry" | "setBlocked", args: readonly unknown[], at = token) {
    const hash = await world().governor.writeContract({
      address: at,
      abi: trickyAbi as Abi,
      functionName,
      args: [...args],
    });
    await world().chain.publicClient.waitForTransactionReceipt({ hash });
  }

  async function fundAndClaim(total: bigint) {
    await world().deposit(buyer, 1_000n, buyer.address, token);
    await world().reserve(buyer, node.address, 900n, { token });
    const key = world().key(buyer.address, node.address, { token });
    return world().group(key, [await world().claim(buyer.signer, key, total)]);
  }

  // The gas is given: an estimate has no answer where a token burns whatever it gets.
  const collect = (...groups: unknown[]) =>
    world().write(buyer.wallet, "escrow", "collect", [groups], undefined, 800_000n);

  it("refuses a deposit of which part went missing", async () => {
    await tell("setMode", [modes.takesFee]);
    await assertReverts(world().deposit(buyer, 1_000n, buyer.address, token), "PaymentEscrowTransferShort", [
      1_000n,
      990n,
    ]);
    assert.equal(await world().pool(buyer.address, token), 0n);
  });

  it("takes a token that returns nothing for what it does", async () => {
    await tell("setMode", [modes.returnsNothing]);
    await collect(await fundAndClaim(300n));
    assert.equal(await world().balance(operator.address, token), 300n);
  });

  it("refuses a deposit that returns false", async () => {
    await tell("setMode", [modes.returnsFalse]);
    await assertReverts(world().deposit(buyer, 1_000n, buyer.address, token), "SafeERC20FailedOperation");
  });

  for (const [name, mode] of [
    ["returns false", modes.returnsFalse],
    ["reverts", modes.reverts],
    ["burns all gas", modes.burnsGas],
    ["answers with less than a word", modes.answersShort],
  ] as const) {
    it(`credits a push that ${name}, and pays the other payees`, async () => {
      const group = await fundAndClaim(300n);
      const other = await world().actor(22);
      await world().deposit(other, 50n);
      const inUsdc = world().key(other.address, node.address);
      await tell("setMode", [mode]);
      const receipt = await collect(group, world().group(inUsdc, [await world().claim(other.signer, inUsdc, 50n)]));
      assert.deepEqual(
        world()
          .events(receipt, "PaidOut")
          .map((event) => event.pushed),
        [false, true],
      );
      assert.equal(await world().pool(operator.address, token), 300n);
      assert.equal(await world().balance(operator.address), 50n);
      await tell("setMode", [modes.honest]);
      await world().write(operator.wallet, "escrow", "withdraw", [0n, token, 300n, operator.address]);
      assert.equal(await world().balance(operator.address, token), 300n);
    });
  }

  it("credits a payee that USDC blocks, and holds nobody else up", async () => {
    const blocked = await world().join(4, { pushPayouts: true });
    await world().deposit(buyer, 100n);
    await tell("setBlocked", [blocked.operator.address, true], world().usdc);
    const groups = [];
    for (const payee of [blocked.node.address, node.address]) {
      const key = world().key(buyer.address, payee);
      groups.push(world().group(key, [await world().claim(buyer.signer, key, 40n)]));
    }
    await collect(...groups);
    assert.equal(await world().pool(blocked.operator.address), 40n);
    assert.equal(await world().balance(operator.address), 40n);
    const elsewhere: Address = `0x${"e1".repeat(20)}`;
    await world().write(blocked.operator.wallet, "escrow", "withdraw", [0n, world().usdc, 40n, elsewhere]);
    assert.equal(await world().balance(elsewhere), 40n);
  });

  it("refuses to push with so little gas that the push would fail for it", async () => {
    const group = await fundAndClaim(300n);
    const request = { address: world().addressOf("escrow"), abi: paymentEscrowAbi as Abi, functionName: "collect" };
    const call = world().chain.publicClient.simulateContract({
      ...request,
      args: [[group]],
      account: buyer.wallet.account,
      gas: 180_000n,
    });
    await assertReverts(call, "PaymentEscrowGasShort");
  });

  it("lets no token call back into what moves money", async () => {
    const abi = paymentEscrowAbi;
    const group = (await fundAndClaim(300n)) as never;
    const { address: payee } = node;
    const calls: Hex[] = [
      encodeFunctionData({ abi, functionName: "collect", args: [[group]] }),
      encodeFunctionData({ abi, functionName: "collectFor", args: [1n, token, [], []] }),
      encodeFunctionData({ abi, functionName: "withdraw", args: [0n, token, 1n, payee] }),
      encodeFunctionData({ abi, functionName: "deposit", args: [token, payee, 1n] }),
      encodeFunctionData({ abi, functionName: "reserve", args: [0n, payee, token, 0n, 0, 1n] }),
      encodeFunctionData({ abi, functionName: "thaw", args: [0n, payee, token, 0n, 0, 1n] }),
      encodeFunctionData({ abi, functionName: "cancelThaw", args: [0n, payee, token, 0n, 0] }),
      encodeFunctionData({ abi, functionName: "release", args: [0n, payee, token, 0n, 0] }),
    ];
    const key = world().key(buyer.address, node.address, { token });
    const read = (functionName: string) =>
      world().chain.publicClient.readContract({ address: token, abi: trickyAbi as Abi, functionName });
    for (const [index, data] of calls.entries()) {
      await tell("setReentry", [world().addressOf("escrow"), data]);
      await collect(world().group(key, [await world().claim(buyer.signer, key, BigInt(index + 1) * 10n)]));
      assert.equal(await read("reentered"), false);
      assert.equal(await read("reentryError"), toFunctionSelector("ReentrancyGuardReentrantCall()"));
    }
    assert.equal(await world().balance(operator.address, token), 80n);
  });
});
