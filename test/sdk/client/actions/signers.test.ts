import assert from "node:assert/strict";
import { HDNodeWallet, JsonRpcProvider, NonceManager, Wallet } from "ethers";
import { createWalletClient, http, parseEventLogs } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import {
  cancelThaw,
  deposit,
  getBalances,
  getCollectStatus,
  reserve,
  thaw,
  withdraw,
} from "../../../../sdk/client/actions/account.ts";
import {
  authorizeDeposit,
  authorizeReserve,
  depositWithAuthorization,
  depositWithPermit,
  reserveWithAuthorization,
} from "../../../../sdk/client/actions/deposits.ts";
import { joinOperator } from "../../../../sdk/client/actions/operator.ts";
import {
  allotSigner,
  getAllotment,
  listAllotments,
  proveSigner,
  revokeSigner,
} from "../../../../sdk/client/actions/signers.ts";
import { createClient, type LeatClient } from "../../../../sdk/client/create-client.ts";
import { type AccountLike, type AccountSigner, openSigner, toStatementSigner } from "../../../../sdk/client/signer.ts";
import { readTokenDomain } from "../../../../sdk/client/token-signatures.ts";
import { addressOf, signerOf, write } from "../../../../sdk/client/transaction.ts";
import { paymentEscrowAbi } from "../../../../sdk/protocol/abi/payment-escrow.ts";
import { channelId, hubChannel, packTotal } from "../../../../sdk/protocol/channel.ts";
import { createDomain } from "../../../../sdk/protocol/eip712.ts";
import { type Hex, zeroHash } from "../../../../sdk/protocol/hex.ts";
import { voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../../../sdk/protocol/statements.ts";
import { type AnvilChain, openAnvil } from "../../../support/anvil-chain.ts";

const phrase = "test test test test test test test test test test test junk";
const keyAt = (index: number): Hex => HDNodeWallet.fromPhrase(phrase, "", `m/44'/60'/0'/0/${index}`).privateKey as Hex;

describe("client actions with every kind of signer", () => {
  let anvil: AnvilChain;
  let provider: JsonRpcProvider;
  before(async function () {
    this.timeout(60_000);
    anvil = await openAnvil({ thawSeconds: 3_600n });
    provider = new JsonRpcProvider(anvil.rpcUrl);
    const [operator, node] = [await anvil.key(1), await anvil.key(2)];
    await anvil.mint(anvil.deployment.tokens.LPT, operator.address, 200n * 10n ** 18n);
    await joinOperator(anvil.client(operator), {
      stake: 150n * 10n ** 18n,
      node: node.signer,
      endpoint: "http://127.0.0.1/offer",
    });
  });
  after(async () => {
    provider?.destroy();
    await anvil?.close();
  });

  const clientOf = (account?: AccountLike | AccountSigner): LeatClient =>
    createClient({ rpcUrl: anvil.rpcUrl, deployment: anvil.deployment, account, pollMs: 20 });

  // Each has an account of its own among those that anvil gives money and keeps unlocked.
  const signers: Record<string, () => Promise<AccountLike | AccountSigner>> = {
    "a viem account": async () => privateKeyToAccount(keyAt(1)),
    "a viem wallet client": async () =>
      createWalletClient({ account: privateKeyToAccount(keyAt(2)), chain: foundry, transport: http(anvil.rpcUrl) }),
    "a viem wallet client whose wallet keeps the key": async () =>
      createWalletClient({
        account: privateKeyToAccount(keyAt(3)).address,
        chain: foundry,
        transport: http(anvil.rpcUrl),
      }),
    "an ethers wallet": async () => new Wallet(keyAt(4), provider),
    "an ethers wallet without a provider": async () => new Wallet(keyAt(5)),
    "an ethers wallet from a phrase": async () =>
      HDNodeWallet.fromPhrase(phrase, "", "m/44'/60'/0'/0/6").connect(provider),
    "an ethers signer whose wallet keeps the key": async () => provider.getSigner(7),
    "an ethers nonce manager": async () => {
      const { publicClient } = clientOf();
      const network = { chain: foundry, transport: http(anvil.rpcUrl), publicClient };
      return openSigner(new NonceManager(new Wallet(keyAt(8), provider)), network);
    },
  };

  for (const [name, make] of Object.entries(signers)) {
    it(`deposit, promise, allot, sign and take back: ${name}`, async function () {
      this.timeout(60_000);
      const client = clientOf(await make());
      const buyer = addressOf(client);
      const token = anvil.deployment.tokens.USDC;
      const [node, hot, anybody] = [await anvil.key(2), await anvil.key(3), anvil.client(await anvil.key(4))];
      await anvil.mint(token, buyer, 1_000n);
      const channel = { payee: node.address, token };
      const status = () => getCollectStatus(client, { payer: buyer, ...channel });

      await deposit(client, { token, amount: 100n });
      await depositWithPermit(client, { token, amount: 50n });
      const tooMuch = depositWithPermit(client, { token, amount: 10n ** 9n });
      await assert.rejects(tooMuch, { code: "CLIENT_BALANCE_SHORT" });
      const paid = await authorizeDeposit(client, { token, amount: 30n });
      await depositWithAuthorization(anybody, { token, authorization: paid });
      const twice = depositWithAuthorization(anybody, { token, authorization: paid });
      await assert.rejects(twice, { code: "CLIENT_REVERTED" });
      assert.equal((await getBalances(client, token)).pool, 180n);

      const promised = await authorizeReserve(client, { ...channel, amount: 20n });
      // What was signed for one payee goes to no other.
      const redirected = reserveWithAuthorization(anybody, { token, payee: hot.address, authorization: promised });
      await assert.rejects(redirected, { code: "CLIENT_REVERTED" });
      await reserveWithAuthorization(anybody, { ...channel, authorization: promised });
      await reserve(client, { ...channel, amount: 100n });
      await thaw(client, { ...channel, amount: 40n });
      assert.deepEqual([(await status()).reserve, (await status()).thawing], [80n, 40n]);
      await cancelThaw(client, channel);
      assert.equal((await status()).reserve, 120n);

      const { timestamp } = await client.publicClient.getBlock();
      const validUntil = timestamp + 86_400n;
      const proof = await proveSigner(client, hot.signer, buyer);
      await allotSigner(client, { ...channel, cap: 60n, validUntil, proof });
      const allotment = { ...channel, signer: hot.address, cap: 60n, validUntil };
      assert.deepEqual(await listAllotments(client), [allotment]);
      await revokeSigner(client, { ...channel, signer: hot.address });
      const revoked = await getAllotment(client, { payer: buyer, ...channel, signer: hot.address });
      assert.ok(revoked.validUntil < validUntil);

      const value = { ...hubChannel(buyer, node.address, token), cumulative: 70n, seq: 1n, usageRoot: zeroHash };
      const domain = createDomain(anvil.deployment.chainId, anvil.deployment.escrow);
      const signature = await toStatementSigner(signerOf(client)).sign(voucherStructure, domain, value);
      const claim = { payer: buyer, total: packTotal(value), usageRoot: zeroHash, ...toCompactSignature(signature) };
      const group = { ...channel, payeeCluster: 0n, payerCluster: 0n, cluster: 0n, clusterPpm: 0, claims: [claim] };
      const { receipt } = await write(anybody, {
        address: anvil.deployment.escrow,
        abi: paymentEscrowAbi,
        functionName: "collect",
        args: [[group]],
      });
      const [collected] = parseEventLogs({ abi: paymentEscrowAbi, logs: receipt.logs, eventName: "Collected" });
      assert.deepEqual(
        [collected?.args.channel, collected?.args.collected],
        [channelId(hubChannel(buyer, node.address, token)), 70n],
      );
      await withdraw(client, { token, amount: 60n });
      assert.equal((await getBalances(client, token)).wallet, 1_000n - 200n + 60n);
    });
  }

  it("authorise as a signer of another kind may hold the key of the payer's own agent", async () => {
    const client = clientOf(new Wallet(keyAt(9), provider));
    const cold = await anvil.key(5);
    const proof = await proveSigner(client, signerOf(client), cold.address);
    const token = anvil.deployment.tokens.USDC;
    const { timestamp } = await client.publicClient.getBlock();
    const channel = { payee: (await anvil.key(2)).address, token };
    await allotSigner(anvil.client(cold), { ...channel, cap: 1n, validUntil: timestamp + 60n, proof });
    const found = await getAllotment(client, { payer: cold.address, ...channel, signer: addressOf(client) });
    assert.equal(found.cap, 1n);
  });

  it("refuse a client without a signer and a token whose domain nobody tells", async () => {
    const reader = clientOf();
    const token = anvil.deployment.tokens.USDC;
    await assert.rejects(depositWithPermit(reader, { token, amount: 1n }), { code: "CLIENT_ACCOUNT_MISSING" });
    await assert.rejects(authorizeDeposit(reader, { token, amount: 1n }), { code: "CLIENT_ACCOUNT_MISSING" });
    await assert.rejects(readTokenDomain(reader, anvil.deployment.escrow.replace(/.$/, "0") as Hex), {
      code: "TOKEN_DOMAIN_UNKNOWN",
    });
    const told = await readTokenDomain(reader, token);
    assert.equal(told.name, "USD Coin");
    // As the tokens on public networks are, which do not tell it in one call.
    const { publicClient } = reader;
    const readContract = ((call: Parameters<typeof publicClient.readContract>[0]) =>
      call.functionName === "eip712Domain"
        ? Promise.reject(new Error("reverted"))
        : publicClient.readContract(call)) as typeof publicClient.readContract;
    const older = { ...reader, publicClient: { ...publicClient, readContract } };
    assert.deepEqual(await readTokenDomain(older, token), told);
  });
});
