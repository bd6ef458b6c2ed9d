import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { developmentTokenAbi } from "@leat/sdk/protocol/abi/development-token.ts";
import { paymentEscrowAbi } from "@leat/sdk/protocol/abi/payment-escrow.ts";
import { createDomain, type Domain } from "@leat/sdk/protocol/eip712.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import { voucherStructure } from "@leat/sdk/protocol/signed.ts";
import { encodeFunctionData } from "viem";
import { type AnvilChain, openAnvil } from "../../test/support/anvil-chain.ts";
import type { BenchCase } from "./case.ts";
import { PayeeProcess, Payer, payerSecret } from "./support/voucher-load.ts";

const CHANNELS = 1_000;
const VOUCHER_EVERY_MS = 15_000;
const LIVE_MS = 60_000;
/** In its first minute the program is still being compiled, a tenth of what it costs then. */
const WARM_UP_MS = 60_000;
const IDLE_MS = 15_000;
/** Receipts that a live voucher covers: segments of 4 s in 15 s. */
const LIVE_RECEIPTS = 4;
const WARM_UP_ROUNDS = 5;
const ROUNDS = 15;
const RECOVERED = 1_000;
const RESERVE = 10n ** 6n;
const CONFIRMED_DEPTH = 2;
const BLOCKS_FOR_ALL = 10;
const MICROS_PER_MS_PERCENT = 10;

/**
 * A payee's process (level store, chain view over anvil, payee, settlement, status) and its payers in this one.
 * `perSecond`: vouchers of 1,000 channels decoded, judged, recovered and on disk (fsync) before they are acknowledged,
 * each covering one booked receipt. `channelsCpuPercent`: what that process uses of one core while 1,000 channels with
 * an open job bring a voucher every 15 s: also booking four receipts for each, one after the other, looks for collection,
 * readings of reserves and of the chain's events as often as a node makes them, a status of all every 5 s. All of its
 * threads count. Not in it: making the work, what the payers do, and the peer-to-peer transport below the messages,
 * which wait for their turn as in a session. A node is told of no check before its pay: what it booked is covered by the
 * voucher that names it.
 */
export const run: BenchCase = async ({ log, signal }) => {
  const folder = await mkdtemp(join(tmpdir(), "leat-bench-"));
  let chain: AnvilChain | undefined;
  let payee: PayeeProcess | undefined;
  try {
    chain = await openAnvil({ thawSeconds: 604_800n });
    const node = await chain.key(1);
    const { deployment, rpcUrl } = chain;
    log(`${CHANNELS} payers reserve`);
    await reserveAll(chain, node.address);
    await chain.mine(CONFIRMED_DEPTH);
    await chain.testClient.setIntervalMining({ interval: 1 });
    const text = JSON.stringify(deployment, (_, item) => (typeof item === "bigint" ? item.toString() : item));
    payee = await PayeeProcess.start({
      rpcUrl,
      deployment: JSON.parse(text),
      secret: bytesToHex(node.secret),
      location: join(folder, "store"),
      socket: join(folder, "socket"),
    });
    const domain = createDomain(deployment.chainId, deployment.escrow);
    const payers = Array.from(
      { length: CHANNELS },
      (_, index) => new Payer(index, node.address, deployment.tokens.USDC, domain),
    );
    for (const payer of payers) await payer.open(payee);
    signal.throwIfAborted();

    log(`${ROUNDS} vouchers of each channel at once`);
    await together(payee, await prepare(payee, payers, WARM_UP_ROUNDS));
    const group = await together(payee, await prepare(payee, payers, ROUNDS));
    signal.throwIfAborted();

    log(`${CHANNELS} channels for ${LIVE_MS / 1_000} s, a voucher every ${VOUCHER_EVERY_MS / 1_000} s`);
    await live(payee, payers, WARM_UP_MS, signal);
    const before = await payee.cost();
    const vouchers = await live(payee, payers, LIVE_MS, signal);
    const busy = ((await payee.cost()).cpuMicros - before.cpuMicros) / LIVE_MS / MICROS_PER_MS_PERCENT;
    const idleBefore = await payee.cost();
    await sleep(IDLE_MS, undefined, { signal });
    const idle = ((await payee.cost()).cpuMicros - idleBefore.cpuMicros) / IDLE_MS / MICROS_PER_MS_PERCENT;
    const recovered = recoverAlone(domain, (await prepare(payee, payers.slice(0, RECOVERED), 1)).flat());
    return {
      rows: [
        { case: "group commit", perSecond: Math.round(group.perSecond), perFsync: group.perFsync, cpuPercent: "" },
        { case: "recovery alone", perSecond: Math.round(recovered), perFsync: "", cpuPercent: 100 },
        { case: `${CHANNELS} live`, perSecond: (vouchers * 1_000) / LIVE_MS, perFsync: "", cpuPercent: busy },
        { case: `${CHANNELS} idle`, perSecond: 0, perFsync: "", cpuPercent: idle },
      ],
      json: {
        perSecond: Math.round(group.perSecond),
        channelsCpuPercent: round(busy),
        perCpuSecond: Math.round(group.perCpuSecond),
        idleCpuPercent: round(idle),
        ofRecoveries: round(group.perCpuSecond / recovered),
      },
    };
  } finally {
    await payee?.stop();
    await chain?.close();
    await rm(folder, { recursive: true, force: true });
  }
};

/** Each payer's next vouchers, with the work that they cover booked: signing is the payer's cost. */
async function prepare(payee: PayeeProcess, payers: readonly Payer[], rounds: number): Promise<VoucherOffer[][]> {
  return Promise.all(
    payers.map(async (payer) => {
      const offers: VoucherOffer[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const { done, offer } = await payer.work(1);
        await payee.call({ done });
        offers.push(offer);
      }
      return offers;
    }),
  );
}

interface Rate {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  readonly perFsync: number;
}

/** Every channel brings its next voucher as soon as the last one is acknowledged. */
function together(payee: PayeeProcess, offers: readonly VoucherOffer[][]): Promise<Rate> {
  return measure(payee, offers.flat().length, () =>
    Promise.all(
      offers.map(async (own) => {
        for (const offer of own) await payee.offer(offer);
      }),
    ),
  );
}

/** What no payee can do without, and nothing else: hashing and recovery. Answers how many in a second of CPU time. */
function recoverAlone(domain: Domain, offers: readonly VoucherOffer[]): number {
  const before = process.cpuUsage();
  for (const { voucher } of offers) {
    nativeStatements.verifySigned(voucherStructure, domain, voucher, voucher.value.payer);
  }
  const { user, system } = process.cpuUsage(before);
  return (offers.length * 1_000_000) / (user + system);
}

async function measure(payee: PayeeProcess, vouchers: number, work: () => Promise<unknown>): Promise<Rate> {
  const before = await payee.cost();
  const begin = performance.now();
  await work();
  const tookMs = performance.now() - begin;
  const after = await payee.cost();
  return {
    perSecond: (vouchers * 1_000) / tookMs,
    perCpuSecond: (vouchers * 1_000_000) / (after.cpuMicros - before.cpuMicros),
    perFsync: vouchers / (after.commits - before.commits),
  };
}

/** Vouchers at their true rate, spread evenly. Answers how many were acknowledged. */
async function live(payee: PayeeProcess, payers: readonly Payer[], ms: number, signal: AbortSignal): Promise<number> {
  const begin = performance.now();
  const stepMs = VOUCHER_EVERY_MS / payers.length;
  const steps = Math.floor(ms / stepMs);
  const running: Promise<void>[] = [];
  for (let step = 0; step < steps; step += 1) {
    const waitMs = begin + step * stepMs - performance.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
    const payer = payers[step % payers.length]!;
    running.push(payer.work(LIVE_RECEIPTS).then(({ done, offer }) => payee.offer(offer, done)));
  }
  await Promise.all(running);
  return running.length;
}

async function reserveAll({ deployment, testClient, rpcUrl, mint }: AnvilChain, payee: `0x${string}`): Promise<void> {
  const { escrow, tokens } = deployment;
  await testClient.setAutomine(true);
  await testClient.request({ method: "anvil_autoImpersonateAccount" as never, params: [true] as never });
  const send = async (from: `0x${string}`, to: `0x${string}`, data: `0x${string}`) => {
    const body = { jsonrpc: "2.0", id: 1, method: "eth_sendTransaction", params: [{ from, to, data, gas: "0x7a120" }] };
    const answer = await fetch(rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const { error } = (await answer.json()) as { error?: { message: string } };
    if (error !== undefined) throw new Error(error.message);
  };
  const payers = Array.from(
    { length: CHANNELS },
    (_, index) => nativeStatements.createSigner(payerSecret(index)).address,
  );
  const bank = payers[0]!;
  for (const address of payers) await testClient.setBalance({ address, value: 10n ** 19n });
  const total = RESERVE * BigInt(CHANNELS);
  await mint(tokens.USDC, bank, total);
  const approve = { abi: developmentTokenAbi, functionName: "approve", args: [escrow, total] } as const;
  await send(bank, tokens.USDC, encodeFunctionData(approve));
  for (const address of payers) {
    const pay = { abi: paymentEscrowAbi, functionName: "deposit", args: [tokens.USDC, address, RESERVE] } as const;
    await send(bank, escrow, encodeFunctionData(pay));
  }
  // A block may order two senders as it likes, and holds some hundred of these: deposits come before all reserves.
  await testClient.mine({ blocks: BLOCKS_FOR_ALL });
  for (const address of payers) {
    const args = [0n, payee, tokens.USDC, 0n, 0, RESERVE] as const;
    await send(address, escrow, encodeFunctionData({ abi: paymentEscrowAbi, functionName: "reserve", args }));
  }
  await testClient.mine({ blocks: BLOCKS_FOR_ALL });
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
