import { gasOf } from "../../node/chain/gas.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import type { NodeKey } from "../../node/kernel/keys.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import type { VoucherRecord, VoucherStore } from "../../node/metering/voucher-store.ts";
import type { Payee, Payer, VoucherRequest } from "../../node/services/payment/index.ts";
import { PayeeService } from "../../node/services/payment/payee-service.ts";
import { PayerService } from "../../node/services/payment/payer-service.ts";
import { type SettlementOptions, settlementOptions } from "../../node/services/settlement/options.ts";
import { SettlementService } from "../../node/services/settlement/settlement-service.ts";
import { TokenValues } from "../../node/services/settlement/token-values.ts";
import { silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";
import { type Channel, channelId } from "../../sdk/protocol/channel.ts";
import type { Address, Hex } from "../../sdk/protocol/hex.ts";
import { voucherStructure } from "../../sdk/protocol/signed.ts";
import { collectAny } from "./collect-any.ts";
import { defaultsOf } from "./defaults.ts";
import { type MoneyMarket, openMarket, randomHash } from "./money-market.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics, statements: nativeStatements };
const payeeSettings = {
  refreshMs: 60_000,
  creditGrowthPpm: 100_000,
  creditMaxFactor: 4,
  idleChannels: 1_000,
  leastReputation: 0,
  maxBounces: 1_000_000,
};
const payerSettings = { voucherEveryMs: 30_000, samplingRate: 1, prepayLimit: "1" };
const settlementSettings = defaultsOf(settlementOptions, {
  lookEveryMs: 60_000,
  memberGraceMs: 0,
  tokenCosts: collectAny,
});
const weiPerGas = 10n ** 8n;
const farFuture = 4_000_000_000n;

/** Kept until the scene closes, or `stop` is called. */
export interface SettlementScene {
  readonly market: MoneyMarket;
  startPayee(payee: Address, vouchers: VoucherStore, askPayer?: AskPayer): Promise<PayeeService>;
  startPayer(key: NodeKey, vouchers: VoucherStore, payee?: Pick<Payee, "accept">): Promise<PayerService>;
  startSettlement(key: NodeKey, vouchers: VoucherStore, payee: Payee, own?: OwnSettlement): Promise<SettlementService>;
  /** Both sides hold a voucher of so many base units beyond what the chain paid. Answers its total. */
  putVoucher(
    signer: NodeKey,
    channel: Channel,
    open: bigint,
    stores: { issued?: VoucherStore; held?: VoucherStore },
  ): Promise<bigint>;
  /** Stops what was started, newest first. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface OwnSettlement {
  readonly membersOf?: Address;
  readonly settings?: Partial<SettlementOptions>;
}

type AskPayer = (payer: Address, request: VoucherRequest) => ReturnType<Payer["answerRequest"]>;

/** Payers, payees and settlements over one market with a real chain. */
export async function openSettlementScene(): Promise<SettlementScene> {
  const market = await openMarket({ USDC: 10n ** 9n, LPT: 10n ** 21n });
  const parts: { stop(): Promise<void> }[] = [];
  const startPayee = async (payee: Address, vouchers: VoucherStore, askPayer?: AskPayer) => {
    const service = new PayeeService(
      { ...quiet, vouchers, domain: market.domain, chain: market.view, payee, askPayer },
      payeeSettings,
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const startPayer = async (key: NodeKey, vouchers: VoucherStore, payee?: Pick<Payee, "accept">) => {
    const deliver =
      payee === undefined ? undefined : (_: Address, offer: Parameters<Payee["accept"]>[0]) => payee.accept(offer);
    const service = new PayerService(
      { ...quiet, vouchers, domain: market.domain, chain: market.view, signer: key.signer, deliver },
      payerSettings,
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const startSettlement = async (key: NodeKey, vouchers: VoucherStore, payee: Payee, own: OwnSettlement = {}) => {
    const settings = { ...settlementSettings, ...own.settings };
    const { deployment } = market.anvil;
    const service = new SettlementService(
      {
        ...quiet,
        vouchers,
        payee,
        chain: market.view,
        sender: await market.sender(key),
        deployment,
        gas: { ...gasOf(market.publicClient), gasPrice: async () => weiPerGas },
        tokens: await TokenValues.read({
          costs: settings.tokenCosts,
          tokens: deployment.tokens,
          decimalsOf: (token) => market.view.decimalsOf(token),
        }),
        ...(own.membersOf === undefined ? {} : { membersOf: own.membersOf }),
      },
      settings,
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const putVoucher = async (
    signer: NodeKey,
    channel: Channel,
    open: bigint,
    stores: { issued?: VoucherStore; held?: VoucherStore },
  ): Promise<bigint> => {
    const cumulative = (await market.view.channelState(channel)).collected + open;
    const value = { ...channel, cumulative, seq: 1n, usageRoot: randomHash() };
    const voucher = { value, signature: await signer.signer.sign(voucherStructure, market.domain, value) };
    const rest = { receiptsRoot: randomHash(), receiptHashes: [], acknowledged: true };
    const record = { channel: channelId(channel), voucher, ...rest };
    for (const side of ["issued", "held"] as const) {
      await stores[side]?.put(side, { record, expectedSeq: 0n, covered: [] });
    }
    return cumulative;
  };

  const stop = async () => {
    for (const part of parts.splice(0).reverse()) await part.stop();
  };
  const close = async () => {
    await stop();
    await market.close();
  };
  return { market, startPayee, startPayer, startSettlement, putVoucher, stop, close };
}

export function termsOf(channel: Channel, job: Hex, exactPerSecond: bigint) {
  return {
    job,
    attempt: 1,
    channel,
    exactPerSecond,
    segmentMs: 4_000,
    samplingRate: 1,
    validUntil: farFuture,
  };
}

export function recordOf(channel: Channel, cumulative: bigint): VoucherRecord {
  const voucher = {
    value: { ...channel, cumulative, seq: 1n, usageRoot: randomHash() },
    signature: `0x${"11".repeat(65)}` as Hex,
  };
  return {
    channel: channelId(channel),
    voucher,
    receiptsRoot: randomHash(),
    receiptHashes: [],
    acknowledged: true,
  };
}
