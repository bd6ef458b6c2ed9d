import { createHash } from "node:crypto";
import type { Abi, TransactionReceipt } from "viem";
import { faultsAbi } from "../../../sdk/protocol/abi/faults.ts";
import { hashStatement } from "../../../sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex } from "../../../sdk/protocol/hex.ts";
import {
  type Receipt,
  receiptStructure,
  type StorageDeal,
  storageDealStructure,
} from "../../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../../sdk/protocol/statements.ts";
import { proveStorageLeaf, storageRoot } from "../../../sdk/protocol/storage-tree.ts";
import { type Actor, day, type World } from "./world.ts";

export const stake = 1_000n * 10n ** 18n;
/** 5 % of the stake that `World.join` puts down. */
export const daily = stake / 20n;
export const burnAddress: Address = "0x000000000000000000000000000000000000dead";

const hashOf = (text: string): Hex => bytesToHex(createHash("sha256").update(text).digest());

/** What tests of faults do over and over. */
export class FaultWorld {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  write(from: Actor | undefined, name: string, args: readonly unknown[], value?: bigint) {
    const wallet = from?.wallet ?? this.world.governor;
    return this.world.write(wallet, "faults", name, args, undefined, undefined, value);
  }

  read<T>(name: string, args: readonly unknown[]): Promise<T> {
    return this.world.read<T>("faults", name, args);
  }

  /** In a block of exactly this time. Not tried before: a revert shows in the block's own time too. */
  async writeAt(timestamp: bigint, from: Actor, name: string, args: readonly unknown[]): Promise<TransactionReceipt> {
    const { chain } = this.world;
    await chain.testClient.setNextBlockTimestamp({ timestamp });
    const address = this.world.addressOf("faults");
    const abi = faultsAbi as Abi;
    const hash = await from.wallet.writeContract({
      address,
      abi,
      functionName: name,
      args: [...args],
      gas: 2_000_000n,
      account: from.wallet.account,
      chain: from.wallet.chain,
    });
    return await chain.publicClient.waitForTransactionReceipt({ hash });
  }

  receipt(changes: Partial<Receipt> = {}): Receipt {
    return {
      job: hashOf("job"),
      seq: 7n,
      attempt: 1,
      quoteHash: hashOf("quote"),
      inputHash: hashOf("input"),
      outputRoot: hashOf("output"),
      firstFrame: 420n,
      frames: 60,
      durationMs: 2_000,
      sizeBytes: 90_000n,
      ...changes,
    };
  }

  async sign(node: Actor, value: Receipt) {
    return toCompactSignature(await node.signer.sign(receiptStructure, this.world.domain, value));
  }

  /** Arguments of a proof that the node signed two receipts of one segment. */
  async equivocation(node: Actor, reporter: Address, changes: Partial<Receipt> = {}, other: Partial<Receipt> = {}) {
    const first = this.receipt(changes);
    const second = this.receipt({ ...changes, outputRoot: hashOf("another output"), ...other });
    return [first, await this.sign(node, first), second, await this.sign(node, second), reporter] as const;
  }

  /** The node lies about segment `seq`, and `reporter` tells. */
  async prove(node: Actor, reporter: Actor, seq = 7n) {
    return await this.write(reporter, "proveEquivocation", await this.equivocation(node, reporter.address, { seq }));
  }

  content(sizeBytes = 5_121): Uint8Array {
    return Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 31 + (at >> 8)) % 251);
  }

  async deal(node: Actor, buyer: Actor, changes: Partial<StorageDeal> = {}) {
    const content = this.content();
    const now = await this.world.now();
    const value: StorageDeal = {
      node: node.address,
      buyer: buyer.address,
      token: this.world.usdc,
      contentRoot: storageRoot(content),
      sizeBytes: BigInt(content.length),
      startsAt: now,
      expiresAt: now + 30n * day,
      price: 10n ** 9n,
      termValue: 3n * 10n ** 18n,
      bond: 10n ** 18n,
      nonce: 1n,
      ...changes,
    };
    const signature = toCompactSignature(await node.signer.sign(storageDealStructure, this.world.domain, value));
    return { value, signature, hash: hashStatement(storageDealStructure, this.world.domain, value) };
  }

  async open(buyer: Actor, deal: { value: StorageDeal; signature: unknown }, value = 10n ** 18n) {
    // Gas is given: an estimate is made at no price of gas, of which the bond depends.
    const args = [deal.value, deal.signature];
    return await this.world.write(buyer.wallet, "faults", "openChallenge", args, undefined, 1_000_000n, value);
  }

  /** Fixes the leaf and gives its number. */
  async pin(from: Actor, deal: { value: StorageDeal; hash: Hex }): Promise<number> {
    await this.world.chain.testClient.mine({ blocks: 3 });
    await this.write(from, "pinLeaf", [deal.value]);
    return Number((await this.challenge(deal.hash)).leaf);
  }

  async openAndPin(buyer: Actor, deal: Awaited<ReturnType<FaultWorld["deal"]>>): Promise<number> {
    await this.open(buyer, deal);
    return await this.pin(buyer, deal);
  }

  challenge(hash: Hex) {
    type Challenge = {
      openedAt: bigint;
      pinBlock: bigint;
      pinnedAt: bigint;
      state: number;
      bond: bigint;
      leaf: bigint;
    };
    return this.read<Challenge>("challengeOf", [hash]);
  }

  answer(deal: { value: StorageDeal }, leaf: number, content = this.content()) {
    const { data, proof } = proveStorageLeaf(content, leaf);
    return [deal.value, bytesToHex(data), proof] as const;
  }

  ether(account: Address): Promise<bigint> {
    return this.world.chain.publicClient.getBalance({ address: account });
  }
}
