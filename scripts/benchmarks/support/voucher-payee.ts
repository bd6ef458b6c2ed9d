import { chainOptions, connectChain, createWallet } from "@leat/node/chain/clients.ts";
import { gasOf } from "@leat/node/chain/gas.ts";
import { RegistryView } from "@leat/node/chain/registry-view.ts";
import { ChainSender } from "@leat/node/chain/sender.ts";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { createNodeKey } from "@leat/node/kernel/keys.ts";
import { createMetrics } from "@leat/node/kernel/metrics.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import type { CreditTerms, Work } from "@leat/node/services/payment/index.ts";
import { PayeeService, payeeOptions } from "@leat/node/services/payment/payee-service.ts";
import { settlementOptions } from "@leat/node/services/settlement/options.ts";
import { SettlementService } from "@leat/node/services/settlement/settlement-service.ts";
import { TokenValues } from "@leat/node/services/settlement/token-values.ts";
import { LevelCheckpointStore } from "@leat/node/store/checkpoints.ts";
import { Database } from "@leat/node/store/database.ts";
import { LevelVoucherStore } from "@leat/node/store/vouchers.ts";
import { createChecker } from "@leat/node/wire/cbor.ts";
import { createPatience } from "@leat/node/wire/patient-calls.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { parseDeployment } from "@leat/sdk/protocol/deployment.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import { type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { type VoucherOffer, voucherOfferSchema } from "@leat/sdk/protocol/job.ts";
import type { Static } from "typebox";
import { Value } from "typebox/value";
import { FramedSocket } from "./framed-socket.ts";

/**
 * The payee side of a node as a process of its own: store, chain view, payee, settlement and status with their default
 * settings. It takes offers over a socket; its parent reads what it costs. Argument: JSON of `PayeeArguments`.
 */
export interface PayeeArguments {
  readonly rpcUrl: string;
  readonly deployment: unknown;
  readonly secret: `0x${string}`;
  readonly location: string;
  readonly socket: string;
}

export type PayeeCall =
  | { readonly id: number; readonly done?: Done; readonly offer: VoucherOffer }
  | { readonly id: number; readonly done: Done }
  | { readonly id: number; readonly open: CreditTerms; readonly prepay: VoucherOffer };

/** Segments of one job that this node did: it would know of them without being told. */
export interface Done extends Pick<Work, "job" | "exact"> {
  readonly firstSeq: bigint;
  /** Those of the offer that comes with it, where absent. */
  readonly receiptHashes?: readonly Hex[];
}

export interface PayeeAnswer {
  readonly id: number;
  readonly answer?: unknown;
  readonly code?: string;
}

export interface PayeeCost {
  readonly cpuMicros: number;
  readonly commits: number;
}

const STATUS_EVERY_MS = 5_000;
const given = JSON.parse(process.argv[2]!) as PayeeArguments;
const deployment = parseDeployment(given.deployment);
const options = Value.Default(chainOptions, { rpcUrls: [given.rpcUrl] }) as Static<typeof chainOptions>;
const key = createNodeKey(hexToBytes(given.secret));
const quiet = { clock: systemClock, logger: silentLogger, metrics: createMetrics() };
const database = await Database.open(given.location);
const vouchers = new LevelVoucherStore(database);
const clients = await connectChain(options, deployment.chainId);
const { publicClient } = clients;
const chain = new RegistryView({ publicClient, deployment, ...quiet }, options);
await chain.start();
const facts = new LevelCheckpointStore(database);
const sender = new ChainSender({ publicClient, wallet: createWallet(clients, key.secret), facts, ...quiet });
const payee = new PayeeService(
  {
    ...quiet,
    vouchers,
    chain,
    statements: nativeStatements,
    domain: createDomain(deployment.chainId, deployment.escrow),
    payee: key.address,
  },
  Value.Default(payeeOptions, {}) as Static<typeof payeeOptions>,
);
await payee.start();
// Its payers pay too little to be collected otherwise.
const collectAny = ["USDC", "LPT"].map((token) => ({ token, perNative: "0", leastAmount: "0" }));
const tokens = await TokenValues.read({
  costs: collectAny,
  tokens: deployment.tokens,
  decimalsOf: (token) => chain.decimalsOf(token),
});
const settlement = new SettlementService(
  { ...quiet, vouchers, payee, chain, sender, deployment, tokens, gas: gasOf(publicClient) },
  Value.Default(settlementOptions, {}) as Static<typeof settlementOptions>,
);
await settlement.start();
const status = setInterval(() => void payee.status(), STATUS_EVERY_MS);

const offers = createChecker(voucherOfferSchema);
const jobs = new Map<Hex, CreditTerms>();
const answerTo = async (call: PayeeCall): Promise<unknown> => {
  if ("open" in call) {
    jobs.set(call.open.job, call.open);
    return payee.openJob(call.open, call.prepay);
  }
  if (call.done !== undefined) await book(call.done, "offer" in call ? call.offer.receiptHashes : []);
  return "offer" in call ? payee.accept(offers.check(call.offer, (reason) => new Error(reason))) : undefined;
};

/** One after the other, each on disk before the next: segments never end together. */
async function book({ job, exact, firstSeq, receiptHashes: own }: Done, offered: readonly Hex[]): Promise<void> {
  const receiptHashes = own ?? offered;
  const { attempt, channel } = jobs.get(job)!;
  for (const [at, receiptHash] of receiptHashes.entries()) {
    await payee.earned({ job, attempt, seq: firstSeq + BigInt(at), channel, exact, receiptHash });
  }
}

const hear = (message: unknown) => {
  const call = message as PayeeCall;
  answerTo(call).then(
    (answer) => framed.send({ id: call.id, ...(answer === undefined ? {} : { answer }) } satisfies PayeeAnswer),
    (error) => framed.send({ id: call.id, code: (error as { code?: string }).code ?? String(error) }),
  );
};
const framed = FramedSocket.connect(given.socket, hear, createPatience().taking);

process.on("message", (message) => {
  if (message === "cost") {
    const { user, system } = process.cpuUsage();
    process.send!({ cpuMicros: user + system, commits: database.commits } satisfies PayeeCost);
    return;
  }
  void stop();
});
process.on("disconnect", () => void stop());

async function stop(): Promise<void> {
  clearInterval(status);
  framed.close();
  await settlement.stop();
  await payee.stop();
  await sender.stop();
  await chain.stop();
  await database.close();
  process.exit(0);
}
