import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseEventLogs, type TransactionReceipt } from "viem";
import type { NodeKey } from "../../../node/kernel/keys.ts";
import { nextVoucher } from "../../../node/metering/voucher-rules.ts";
import { deposit, reserve } from "../../../sdk/client/actions/account.ts";
import { addNode } from "../../../sdk/client/actions/node-keys.ts";
import { joinOperator } from "../../../sdk/client/actions/operator.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import { type Channel, channelId, hubChannel } from "../../../sdk/protocol/channel.ts";
import { createDomain, type Domain } from "../../../sdk/protocol/eip712.ts";
import { type Hex, toAddress, zeroHash } from "../../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../../sdk/protocol/job.ts";
import { merkleRoot } from "../../../sdk/protocol/merkle.ts";
import { type Voucher, voucherStructure } from "../../../sdk/protocol/signed.ts";
import { type AnvilChain, openAnvil } from "../anvil-chain.ts";
import { PayeeHandle } from "./payee-handle.ts";
import { bundlePayee, makeProgramFolder } from "./payee-program.ts";
import type { PayeeStart } from "./payee-protocol.ts";

export const CONFIRMED_DEPTH = 2;
export const RESERVE = 10n ** 12n;
const BLOCKS_AT_ONCE = 50n;

/** A payer of one channel. It keeps what it signed and what was acknowledged, as an agent does. */
export class TestPayer {
  readonly key: NodeKey;
  readonly channel: Channel;
  readonly #domain: Domain;
  /** The newest that was signed; offered again and again until it is acknowledged. */
  offered: VoucherOffer | undefined;
  acknowledged: Voucher | undefined;

  constructor(key: NodeKey, channel: Channel, domain: Domain) {
    this.key = key;
    this.channel = channel;
    this.#domain = domain;
  }

  get id() {
    return channelId(this.channel);
  }

  /** What is not acknowledged yet, byte for byte, or the next one. */
  async next(more: bigint): Promise<VoucherOffer> {
    const signed = this.offered?.voucher.value;
    if (signed !== undefined && signed.seq !== this.acknowledged?.seq) return this.offered!;
    this.offered = await this.sign(signed, (signed?.cumulative ?? 0n) + more);
    return this.offered;
  }

  async sign(previous: Voucher | undefined, cumulative: bigint): Promise<VoucherOffer> {
    const receiptsRoot = merkleRoot([]);
    const value = nextVoucher(this.channel, previous, { cumulative, receiptsRoot });
    const signature = await this.key.signer.sign(voucherStructure, this.#domain, value);
    return { voucher: { value, signature }, receiptsRoot: receiptsRoot ?? zeroHash, receiptHashes: [], kind: "usage" };
  }
}

/** One node that is paid, its data and its payers. */
export interface TestPayee {
  readonly key: NodeKey;
  readonly payers: readonly TestPayer[];
  readonly start: PayeeStart;
}

/** A transaction that brought no money. */
export type IdleTransaction = Pick<TransactionReceipt, "transactionHash" | "status" | "gasUsed">;

/** Payees of one operator on a chain whose blocks come by themselves, and what the chain says of them. */
export class PayeeWorld {
  readonly anvil: AnvilChain;
  readonly folder: string;
  readonly operator: NodeKey;
  readonly payees: readonly TestPayee[];
  readonly #program: string;
  readonly #running = new Set<PayeeHandle>();
  readonly #closing = new AbortController();

  private constructor(parts: Pick<PayeeWorld, "anvil" | "folder" | "operator" | "payees">, program: string) {
    this.anvil = parts.anvil;
    this.folder = parts.folder;
    this.operator = parts.operator;
    this.payees = parts.payees;
    this.#program = program;
  }

  /** @param blockMs A block comes so often, and no transaction is in one before. Default: at once, and every 50 ms. */
  static async open(nodes: number, payersEach: number, blockMs?: number): Promise<PayeeWorld> {
    const anvil = await openAnvil({ thawSeconds: 3_600n });
    const folder = await makeProgramFolder();
    try {
      const program = await bundlePayee(folder);
      const { deployment } = anvil;
      const token = toAddress(deployment.tokens.USDC);
      const domain = createDomain(deployment.chainId, deployment.escrow);
      const operator = await anvil.key(1);
      await anvil.mint(deployment.tokens.LPT, operator.address, 200n * 10n ** 18n);
      const client = anvil.client(operator);
      const payees: TestPayee[] = [];
      for (let at = 0; at < nodes; at += 1) {
        const key = await anvil.key(100 + at);
        const place = { node: key.signer, endpoint: "http://127.0.0.1/offer" };
        if (at === 0) await joinOperator(client, { stake: 150n * 10n ** 18n, ...place });
        else await addNode(client, place);
        const payers: TestPayer[] = [];
        for (let one = 0; one < payersEach; one += 1) {
          const payer = await anvil.key(1_000 + at * 100 + one);
          await anvil.mint(token, payer.address, RESERVE);
          await deposit(anvil.client(payer), { token, amount: RESERVE });
          await reserve(anvil.client(payer), { payee: key.address, token, amount: RESERVE });
          payers.push(new TestPayer(payer, hubChannel(payer.address, key.address, token), domain));
        }
        const location = join(folder, `payee-${at}`);
        const rest = { deployment, secret: key.secret, location, confirmedDepth: CONFIRMED_DEPTH };
        payees.push({ key, payers, start: { rpcUrl: anvil.rpcUrl, ...rest } });
      }
      await anvil.mine(CONFIRMED_DEPTH);
      if (blockMs !== undefined) await anvil.testClient.setAutomine(false);
      anvil.keepMining(blockMs);
      return new PayeeWorld({ anvil, folder, operator, payees }, program);
    } catch (error) {
      await anvil.close();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  spawn(): PayeeHandle {
    this.#closing.signal.throwIfAborted();
    const handle = PayeeHandle.spawn(this.#program, join(this.folder, "compiled"));
    this.#running.add(handle);
    void handle.exited.then(() => this.#running.delete(handle));
    return handle;
  }

  /** What the escrow holds of a channel, at the head. */
  async channel(payer: TestPayer) {
    const { publicClient, deployment } = this.anvil.client(this.operator);
    const call = { address: deployment.escrow, abi: paymentEscrowAbi, functionName: "channelOf" } as const;
    return await publicClient.readContract({ ...call, args: [payer.id] });
  }

  async collected(payer: TestPayer): Promise<bigint> {
    return (await this.channel(payer)).collected;
  }

  /** Everything that the operator was credited with. */
  async credited(): Promise<bigint> {
    const { publicClient, deployment } = this.anvil.client(this.operator);
    const call = { address: deployment.escrow, abi: paymentEscrowAbi, functionName: "poolOf" } as const;
    return await publicClient.readContract({ ...call, args: [this.operator.address, deployment.tokens.USDC] });
  }

  /**
   * Transactions of a node in blocks so far, and which of them brought nothing. Blocks and receipts alone say so: anvil
   * shows the state after a block, and the count of transactions with it, before it has the block and its events.
   */
  async transactionsOf({
    key,
  }: TestPayee): Promise<{ readonly sent: number; readonly idle: readonly IdleTransaction[] }> {
    const { publicClient, deployment } = this.anvil.client(this.operator);
    const head = await publicClient.getBlockNumber({ cacheTime: 0 });
    const hashes: Hex[] = [];
    for (let at = deployment.deployedAtBlock; at <= head; at += BLOCKS_AT_ONCE) {
      const numbers = Array.from({ length: Number(BLOCKS_AT_ONCE) }, (_, index) => at + BigInt(index));
      const blocks = await Promise.all(
        numbers
          .filter((number) => number <= head)
          .map((blockNumber) => publicClient.getBlock({ blockNumber, includeTransactions: true })),
      );
      for (const { transactions } of blocks) {
        for (const { from, hash } of transactions) if (toAddress(from) === key.address) hashes.push(hash);
      }
    }
    const receipts = await Promise.all(hashes.map((hash) => publicClient.getTransactionReceipt({ hash })));
    const idle = receipts.filter(
      ({ logs }) => parseEventLogs({ abi: paymentEscrowAbi, eventName: "Collected", logs }).length === 0,
    );
    return {
      sent: hashes.length,
      idle: idle.map(({ transactionHash, status, gasUsed }) => ({ transactionHash, status, gasUsed })),
    };
  }

  /** Resolves when the chain paid a channel so much; rejects when the world closes. */
  async whenCollected(payer: TestPayer, amount: bigint): Promise<void> {
    const { publicClient } = this.anvil.client(this.operator);
    const looked = Promise.withResolvers<void>();
    const look = async () => {
      if ((await this.collected(payer)) === amount) looked.resolve();
    };
    const stop = publicClient.watchBlockNumber({
      pollingInterval: 50,
      onBlockNumber: () => void look().catch(looked.reject),
    });
    const { signal } = this.#closing;
    const leave = () => looked.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await look();
      await looked.promise;
    } finally {
      signal.removeEventListener("abort", leave);
      stop();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the world is closed"));
    for (const handle of this.#running) handle.kill();
    await Promise.all([...this.#running].map(({ exited }) => exited));
    await this.anvil.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
