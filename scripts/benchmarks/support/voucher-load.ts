import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { nextVoucher } from "@leat/node/metering/voucher-rules.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { type Address, type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import { merkleRoot } from "@leat/sdk/protocol/merkle.ts";
import { type Voucher, voucherStructure } from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { exactPerBaseUnit } from "@leat/sdk/protocol/units.ts";
import { nodeFlags } from "../../lib/node-flags.ts";
import { FramedSocket } from "./framed-socket.ts";
import type { Done, PayeeAnswer, PayeeArguments, PayeeCost } from "./voucher-payee.ts";

export const TOKEN_DECIMALS = 6;
const SEGMENT_MS = 2_000;
/** Base units a receipt is worth. */
const RECEIPT_WORTH = 2n;

/** The payee's process, and calls to it. */
export class PayeeProcess {
  readonly #child: ChildProcess;
  readonly #server: Server;
  readonly #socket: FramedSocket;
  readonly #pending = new Map<number, (answer: PayeeAnswer) => void>();
  #nextId = 0;

  private constructor(child: ChildProcess, server: Server, socket: Socket) {
    this.#child = child;
    this.#server = server;
    this.#socket = FramedSocket.accept(socket, (message) => {
      const answer = message as PayeeAnswer;
      this.#pending.get(answer.id)?.(answer);
      this.#pending.delete(answer.id);
    });
  }

  static async start(given: PayeeArguments): Promise<PayeeProcess> {
    const server = createServer();
    server.listen(given.socket);
    await once(server, "listening");
    const script = new URL("./voucher-payee.ts", import.meta.url);
    const child = fork(script, [JSON.stringify(given)], { execArgv: [...nodeFlags] });
    const socket = await Promise.race([
      once(server, "connection").then(([socket]) => socket as Socket),
      once(child, "exit").then(() => undefined),
    ]);
    if (socket !== undefined) return new PayeeProcess(child, server, socket);
    server.close();
    throw new Error("the payee's process ended before it connected");
  }

  async call(body: object): Promise<unknown> {
    this.#nextId += 1;
    const id = this.#nextId;
    const { answer, code } = await new Promise<PayeeAnswer>((resolve) => {
      this.#pending.set(id, resolve);
      this.#socket.send({ id, ...body });
    });
    if (code !== undefined) throw new Error(`the payee refused with ${code}`);
    return answer;
  }

  /** A voucher counts when the payee says that this one is on its disk. `done`: what it covers, booked before it. */
  async offer(offer: VoucherOffer, done?: Done): Promise<void> {
    const call = { offer, ...(done === undefined ? {} : { done: { ...done, receiptHashes: undefined } }) };
    const answer = (await this.call(call)) as { acknowledged?: { seq: bigint } };
    if (answer.acknowledged?.seq !== offer.voucher.value.seq) throw new Error("the payee holds another voucher");
  }

  async cost(): Promise<PayeeCost> {
    const answer = once(this.#child, "message");
    this.#child.send("cost");
    const [cost] = await answer;
    return cost as PayeeCost;
  }

  async stop(): Promise<void> {
    this.#socket.close();
    this.#server.close();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.send("stop");
    await ended;
  }
}

/** A payer of one channel with one job open, that signs as its agent would. */
export class Payer {
  readonly #signer: StatementSigner;
  readonly #channel;
  readonly #domain: Domain;
  readonly #job: Hex;
  #newest: Voucher | undefined;
  #receipts = 0n;

  constructor(index: number, payee: Address, token: Address, domain: Domain) {
    this.#signer = nativeStatements.createSigner(payerSecret(index));
    this.#channel = hubChannel(this.#signer.address, payee, token);
    this.#domain = domain;
    this.#job = hashOf(1, index, 0n);
  }

  get address(): Address {
    return this.#signer.address;
  }

  async open(payee: PayeeProcess): Promise<void> {
    const open = {
      job: this.#job,
      attempt: 1,
      channel: this.#channel,
      exactPerSecond: exactPerBaseUnit(TOKEN_DECIMALS),
      segmentMs: SEGMENT_MS,
      samplingRate: 1,
      validUntil: 4_000_000_000n,
    };
    await payee.call({ open, prepay: await this.#sign([], 10n, "prepay") });
  }

  /** The next segments that the payee did for it, and the voucher that covers them. */
  async work(receipts: number): Promise<{ done: Done; offer: VoucherOffer }> {
    const firstSeq = this.#receipts + 1n;
    const receiptHashes: Hex[] = [];
    for (let at = 0; at < receipts; at += 1) {
      this.#receipts += 1n;
      receiptHashes.push(hashOf(2, 0, BigInt(this.address) ^ this.#receipts));
    }
    const done = { job: this.#job, exact: RECEIPT_WORTH * exactPerBaseUnit(TOKEN_DECIMALS), firstSeq, receiptHashes };
    return { done, offer: await this.#sign(receiptHashes, RECEIPT_WORTH * BigInt(receipts), "usage") };
  }

  async #sign(receiptHashes: Hex[], more: bigint, kind: VoucherOffer["kind"]): Promise<VoucherOffer> {
    const receiptsRoot = merkleRoot(receiptHashes);
    const cumulative = (this.#newest?.cumulative ?? 0n) + more;
    const value = nextVoucher(this.#channel, this.#newest, { cumulative, receiptsRoot });
    this.#newest = value;
    const signature = await this.#signer.sign(voucherStructure, this.#domain, value);
    return { voucher: { value, signature }, receiptsRoot, receiptHashes, kind };
  }
}

export function payerSecret(index: number): Uint8Array {
  const secret = new Uint8Array(32).fill(0x6b);
  new DataView(secret.buffer).setUint32(28, index);
  return secret;
}

function hashOf(kind: number, index: number, value: bigint): Hex {
  const digits = ((BigInt(kind) << 224n) | (BigInt(index) << 160n) | BigInt.asUintN(160, value)).toString(16);
  return `0x${digits.padStart(zeroHash.length - 2, "0")}`;
}
