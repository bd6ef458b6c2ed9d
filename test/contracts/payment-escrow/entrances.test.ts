import assert from "node:assert/strict";
import { encodeAbiParameters, keccak256, parseAbi, parseEventLogs, stringToHex } from "viem";
import { type Hex, toAddress } from "../../../sdk/protocol/hex.ts";
import { permitTypes } from "../../../sdk/protocol/permit.ts";
import { type Actor, assertReverts, day, never, useWorld } from "../support/world.ts";

const receiveTypes = {
  ReceiveWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;
const cancelTypes = {
  CancelAuthorization: [
    { name: "authorizer", type: "address" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;
const cancelAbi = parseAbi([
  "function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
  "event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)",
  "error DevelopmentUsdcAuthorizationUsed(address from, bytes32 nonce)",
  "error DevelopmentUsdcAuthorizationSigner(address wanted, address found)",
]);
const salt = `0x${"5a".repeat(32)}` as Hex;
const tagOf = (name: string) => keccak256(stringToHex(name));

describe("payment escrow: ways in", () => {
  const world = useWorld();
  let buyer: Actor;
  let anybody: Actor;
  let node: Actor;

  beforeEach(async () => {
    buyer = await world().actor(1);
    anybody = await world().actor(2);
    ({ node } = await world().join(3));
    await world().mint(buyer.address, 1_000n);
  });

  const domainOf = (chainId = world().chain.deployment.chainId) => ({
    name: "USD Coin",
    version: "1",
    chainId,
    verifyingContract: world().usdc,
  });
  const split = (signature: Hex) => ({
    v: Number.parseInt(signature.slice(130), 16),
    r: signature.slice(0, 66) as Hex,
    s: `0x${signature.slice(66, 130)}` as Hex,
  });
  const depositNonce = (account: Hex, of = salt) =>
    keccak256(
      encodeAbiParameters(
        [{ type: "bytes32" }, { type: "address" }, { type: "bytes32" }],
        [tagOf("leat.deposit"), account, of],
      ),
    );
  const reserveNonce = (payee: Hex, cluster = 0n, clusterPpm = 0) =>
    keccak256(
      encodeAbiParameters(
        [{ type: "bytes32" }, { type: "address" }, { type: "uint256" }, { type: "uint32" }, { type: "bytes32" }],
        [tagOf("leat.reserve"), payee, cluster, clusterPpm, salt],
      ),
    );
  const authorize = async (
    nonce: Hex,
    change: {
      amount?: bigint;
      validAfter?: bigint;
      validBefore?: bigint;
      to?: Hex;
      chainId?: number;
      from?: Actor;
    } = {},
  ) => {
    const {
      amount = 300n,
      validAfter = 0n,
      validBefore = never,
      to = world().addressOf("escrow"),
      from = buyer,
    } = change;
    const signature = await from.wallet.signTypedData({
      account: from.wallet.account,
      domain: domainOf(change.chainId),
      types: receiveTypes,
      primaryType: "ReceiveWithAuthorization",
      message: { from: buyer.address, to, value: amount, validAfter, validBefore, nonce },
    });
    return { from: buyer.address, amount, validAfter, validBefore, salt, ...split(signature) };
  };
  const deposit = (authorization: unknown, account = buyer.address, token = world().usdc) =>
    world().write(anybody.wallet, "escrow", "depositWithAuthorization", [token, account, authorization]);
  const reserve = (authorization: unknown, payee = node.address, cluster = 0n, clusterPpm = 0) =>
    world().write(anybody.wallet, "escrow", "reserveWithAuthorization", [
      payee,
      world().usdc,
      cluster,
      clusterPpm,
      authorization,
    ]);
  const permit = async (spender: Hex, value: bigint) => {
    const signature = await buyer.wallet.signTypedData({
      account: buyer.wallet.account,
      domain: domainOf(),
      types: permitTypes,
      primaryType: "Permit",
      message: { owner: buyer.address, spender, value, nonce: 0n, deadline: never },
    });
    return { deadline: never, ...split(signature) };
  };
  const depositPermitted = (given: unknown, amount: bigint) =>
    world().write(buyer.wallet, "escrow", "depositWithPermit", [world().usdc, buyer.address, amount, given]);

  it("takes a deposit by permit in one transaction, also where somebody used the permit before", async () => {
    const escrow = world().addressOf("escrow");
    const given = await permit(escrow, 400n);
    const { deadline, v, r, s } = given;
    const abi = [
      {
        type: "function",
        name: "permit",
        stateMutability: "nonpayable",
        inputs: ["address", "address", "uint256", "uint256", "uint8", "bytes32", "bytes32"].map((type) => ({ type })),
        outputs: [],
      },
    ] as const;
    await world().chain.publicClient.simulateContract({
      address: world().usdc,
      abi,
      functionName: "permit",
      args: [buyer.address, escrow, 400n, deadline, v, r, s],
      account: anybody.address,
    });
    const hash = await anybody.wallet.writeContract({
      address: world().usdc,
      abi,
      functionName: "permit",
      args: [buyer.address, escrow, 400n, deadline, v, r, s],
    });
    await world().chain.publicClient.waitForTransactionReceipt({ hash });
    await depositPermitted(given, 400n);
    assert.equal(await world().pool(buyer.address), 400n);
  });

  it("takes no deposit on a permit for another spender or amount", async () => {
    await assertReverts(depositPermitted(await permit(anybody.address, 400n), 400n), "ERC20InsufficientAllowance");
    await assertReverts(
      depositPermitted(await permit(world().addressOf("escrow"), 300n), 400n),
      "ERC20InsufficientAllowance",
    );
    assert.equal(await world().pool(buyer.address), 0n);
    await depositPermitted(await permit(world().addressOf("escrow"), 300n), 300n);
    assert.equal(await world().pool(buyer.address), 300n);
  });

  it("credits an authorised deposit whoever submits it, once", async () => {
    const authorization = await authorize(depositNonce(buyer.address));
    const receipt = await deposit(authorization);
    const [event] = world().events(receipt, "Deposited");
    assert.deepEqual(
      [toAddress(event!.account as Hex), toAddress(event!.from as Hex), event!.amount],
      [buyer.address, buyer.address, 300n],
    );
    assert.equal(await world().pool(buyer.address), 300n);
    assert.equal(await world().balance(buyer.address), 700n);
    await assert.rejects(deposit(authorization));
    assert.equal(await world().pool(buyer.address), 300n);
  });

  it("takes no authorised deposit that its signer has cancelled, which nobody else can", async () => {
    const nonce = depositNonce(buyer.address);
    const cancel = async (signer: Actor) => {
      const message = { authorizer: buyer.address, nonce };
      const { account } = signer.wallet;
      const named = { domain: domainOf(), types: cancelTypes, primaryType: "CancelAuthorization" } as const;
      const { v, r, s } = split(await signer.wallet.signTypedData({ account, ...named, message }));
      const call = { address: world().usdc, abi: cancelAbi, functionName: "cancelAuthorization" } as const;
      const hash = await anybody.wallet.writeContract({ ...call, args: [buyer.address, nonce, v, r, s] });
      return world().chain.publicClient.waitForTransactionReceipt({ hash });
    };
    await assert.rejects(cancel(anybody), /DevelopmentUsdcAuthorizationSigner/);
    const { logs } = await cancel(buyer);
    assert.deepEqual(
      parseEventLogs({ abi: cancelAbi, logs }).map(({ args }) => [toAddress(args.authorizer), args.nonce]),
      [[buyer.address, nonce]],
    );
    await assert.rejects(cancel(buyer), /DevelopmentUsdcAuthorizationUsed/);
    await assert.rejects(deposit(await authorize(nonce)), /DevelopmentUsdcAuthorizationUsed/);
    assert.equal(await world().balance(buyer.address), 1_000n);
  });

  it("cannot be made to credit or reserve for another than was meant", async () => {
    const authorization = await authorize(depositNonce(buyer.address));
    await assert.rejects(deposit(authorization, anybody.address));
    await assert.rejects(reserve(authorization));
    const reserving = await authorize(reserveNonce(node.address));
    await assert.rejects(deposit(reserving));
    await assert.rejects(reserve(reserving, anybody.address));
    await assert.rejects(reserve(reserving, node.address, 1n, 0));
    assert.equal(await world().balance(buyer.address), 1_000n);
    assert.equal(await world().pool(anybody.address), 0n);
  });

  it("moves an authorised amount straight into the reserve of a channel", async () => {
    await reserve(await authorize(reserveNonce(node.address)));
    const channel = await world().channel(world().key(buyer.address, node.address));
    assert.equal(channel.reserve, 300n);
    assert.equal(await world().pool(buyer.address), 0n);
    const claim = await world().claim(buyer.signer, world().key(buyer.address, node.address), 120n);
    await world().write(anybody.wallet, "escrow", "collect", [
      [world().group(world().key(buyer.address, node.address), [claim])],
    ]);
    assert.equal((await world().channel(world().key(buyer.address, node.address))).collected, 120n);
  });

  it("refuses an authorisation of another chain, signer, payee, amount or time", async () => {
    const nonce = depositNonce(buyer.address);
    const now = await world().now();
    for (const change of [
      { chainId: 1 },
      { from: anybody },
      { to: anybody.address },
      { validAfter: now + day },
      { validBefore: now - 1n },
    ]) {
      await assert.rejects(deposit(await authorize(nonce, change)), JSON.stringify(Object.keys(change)));
    }
    await assert.rejects(deposit({ ...(await authorize(nonce)), amount: 301n }));
    await assert.rejects(deposit({ ...(await authorize(nonce)), salt: `0x${"5b".repeat(32)}` }));
    assert.equal(await world().pool(buyer.address), 0n);
  });

  it("refuses nothing, nobody, a token that is not allowed, a share that cannot be, and all of it while paused", async () => {
    await assertReverts(
      deposit(await authorize(depositNonce(buyer.address), { amount: 0n })),
      "PaymentEscrowAmountZero",
    );
    const nobody = toAddress(`0x${"00".repeat(20)}`);
    await assertReverts(deposit(await authorize(depositNonce(nobody)), nobody), "PaymentEscrowAddressZero");
    await assertReverts(reserve(await authorize(reserveNonce(nobody)), nobody), "PaymentEscrowAddressZero");
    const shared = await authorize(reserveNonce(node.address, 0n, 5));
    await assertReverts(reserve(shared, node.address, 0n, 5), "PaymentEscrowShareInvalid");
    const other = anybody.address;
    await assertReverts(
      deposit(await authorize(depositNonce(buyer.address)), buyer.address, other),
      "PaymentEscrowTokenNotAllowed",
    );
    await world().write(world().governor, "escrow", "pause", []);
    await assertReverts(deposit(await authorize(depositNonce(buyer.address))), "EnforcedPause");
    await assertReverts(reserve(await authorize(reserveNonce(node.address))), "EnforcedPause");
    await assertReverts(depositPermitted(await permit(world().addressOf("escrow"), 300n), 300n), "EnforcedPause");
  });
});
