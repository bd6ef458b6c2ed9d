import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createPublicClient, erc20Abi, fallback, http, type LocalAccount, type PublicClient } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { dataFeeOf } from "../../node/chain/data-fee.ts";
import { readNetwork } from "../../node/config/network-file.ts";
import { writeFileAtomic } from "../../node/kernel/atomic-file.ts";
import { loadKeyFile } from "../../node/kernel/keys.ts";
import { fileReason } from "../../sdk/base/file-reasons.ts";
import type { Tokens } from "../../sdk/protocol/deployment.ts";
import { type Address, bytesToHex, toAddress } from "../../sdk/protocol/hex.ts";
import type { Network } from "../../sdk/protocol/network.ts";
import { holdLockFile } from "../lib/lock-file.ts";
import { DeployError, reasonOf } from "./errors.ts";
import { FileJournal, type Journal, MemoryJournal } from "./journal.ts";
import type { DeployCommand } from "./options.ts";
import { type DeploySettings, type Plan, planDeployment } from "./plan.ts";
import { estimateGas, type RunOptions, readFees, runPlan } from "./run.ts";
import { verifyDeployment } from "./verify.ts";

/** What is about to be spent. */
export interface Cost {
  readonly steps: number;
  readonly gas: bigint;
  readonly feeWei: bigint;
  /** The highest price of gas that may be paid, where the price rises meanwhile. */
  readonly ceilingWei: bigint;
  /** What a rollup takes for the data of all of them, beside gas. */
  readonly dataWei: bigint;
  readonly balanceWei: bigint;
}

export interface DeployIo {
  say(line: string): void;
  /** Asked before anything is spent. */
  confirm(plan: Plan, cost: Cost): Promise<boolean>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface DeployResult {
  readonly network: string;
  readonly file: string | undefined;
  readonly plan: Plan;
  readonly cost: Cost;
  /** Facts that were read back from the chain; 0 where nothing was sent. */
  readonly checks: number;
}

/** As often as a reorganisation may take transactions out of their blocks before something else must be wrong. */
const maxRounds = 10;
const pollMs = 500;
/** Times the price that is shown: what no block takes is sent up to three times as dear. */
const DEFAULT_CEILING = 4n;
const decimalsOf = { USDC: 6, LPT: 18 } as const;

/** Everything that `scripts/deploy` does. @throws DEPLOY_…, KEY_…, NETWORK_INVALID, CONFIG_FILE_UNREADABLE */
export async function deploy(command: DeployCommand, io: DeployIo): Promise<DeployResult> {
  const network = readNetwork(command.network);
  if (network.deployment !== undefined) throw new DeployError({ code: "DEPLOY_ALREADY_DEPLOYED", name: network.name });
  requireTokens(network, command.developmentTokens);
  const key = await loadKeyFile(command.keyFile);
  if (command.governor === key.address || command.guardian === key.address) {
    const option = command.governor === key.address ? "--governor" : "--guardian";
    throw new DeployError({
      code: "DEPLOY_OPTION_INVALID",
      option,
      wanted: "another address than the deployer's, which keeps no role",
      found: key.address,
    });
  }
  const publicClient = await connect(network, io.env);
  const account = privateKeyToAccount(bytesToHex(key.secret));
  if (network.tokens !== undefined) await checkTokens(publicClient, network.tokens);

  const out = resolve(command.out ?? `${network.name}.network.json`);
  const journalPath = `${out}.journal`;
  if (existsSync(out) && !existsSync(journalPath)) throw new DeployError({ code: "DEPLOY_FILE_EXISTS", path: out });
  if (command.dryRun) {
    const journal = existsSync(journalPath) ? await FileJournal.open(journalPath) : new MemoryJournal();
    const work = { command, network, publicClient, account, journal, journalPath, io };
    const { plan, run } = await prepare(work);
    const cost = await costOf(plan, run, work);
    return { network: network.name, file: undefined, plan, cost, checks: 0 };
  }
  const unlock = await holdLockFile(`${journalPath}.pid`, (pid) => {
    return new DeployError({ code: "DEPLOY_IN_USE", path: journalPath, pid });
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause instanceof DeployError) throw cause;
    throw new DeployError({ code: "DEPLOY_FILE_UNWRITABLE", path: out, reason: fileReason(cause) }, { cause });
  });
  try {
    const journal = await FileJournal.open(journalPath);
    try {
      return await carryOut({ command, network, publicClient, account, journal, journalPath, io }, out);
    } finally {
      await journal.close();
    }
  } finally {
    await unlock();
  }
}

interface Work {
  readonly command: DeployCommand;
  readonly network: Network;
  readonly publicClient: PublicClient;
  readonly account: LocalAccount;
  readonly journal: Journal;
  readonly journalPath: string;
  readonly io: DeployIo;
}

async function carryOut(work: Work, out: string): Promise<DeployResult> {
  const { network, publicClient, journal, io, command } = work;
  const { plan, run, deployedAtBlock } = await prepare(work);
  const text = describeNetwork(network, plan, deployedAtBlock);
  if (existsSync(out) && (await readFile(out, "utf8")) !== text) {
    throw new DeployError({ code: "DEPLOY_FILE_EXISTS", path: out });
  }
  const cost = await costOf(plan, run, work);
  if (cost.steps > 0) {
    const wantedWei = cost.gas * cost.feeWei + cost.dataWei;
    if (cost.balanceWei < wantedWei) {
      const short = { account: plan.settings.deployer, wantedWei, foundWei: cost.balanceWei };
      throw new DeployError({ code: "DEPLOY_GAS_SHORT", ...short });
    }
    if (!command.yes && !(await io.confirm(plan, cost))) throw new DeployError({ code: "DEPLOY_NOT_CONFIRMED" });
  }
  if (journal.beginning === undefined) {
    await journal.begin({ planHash: plan.hash, firstNonce: plan.settings.firstNonce, deployedAtBlock });
  }
  const { ceilingWei } = cost;
  await runToDepth(plan, { ...run, ceilingWei }, network.confirmedDepth, command.patienceMs, io.say);
  const { checks } = await verifyDeployment(publicClient, plan, deployedAtBlock);
  await writeFileAtomic(out, text);
  io.say(`${checks} facts read back from the chain; wrote ${out}`);
  return { network: network.name, file: out, plan, cost, checks };
}

/** The plan as it was begun, or a new one. @throws DEPLOY_PLAN_CHANGED */
async function prepare(work: Work): Promise<{ plan: Plan; run: RunOptions; deployedAtBlock: bigint }> {
  const { command, network, publicClient, account, journal, journalPath, io } = work;
  const beginning = journal.beginning;
  const [nonce, block] = await ask(
    "eth_getTransactionCount",
    Promise.all([
      publicClient.getTransactionCount({ address: account.address, blockTag: "pending" }),
      publicClient.getBlockNumber(),
    ]),
  );
  const settings: DeploySettings = {
    chainId: network.chainId,
    deployer: toAddress(account.address),
    firstNonce: beginning?.firstNonce ?? nonce,
    tokens: network.tokens,
    stakeToken: network.stake?.token,
    minimumStake: network.stake?.minimum ?? 100n * 10n ** 18n,
    thawSeconds: command.thawSeconds,
    treasury: command.treasury,
    governor: command.governor,
    governanceDelaySeconds: command.governanceDelaySeconds,
    guardian: command.guardian,
    sequencerFeed: network.sequencerUptimeFeed,
  };
  const plan = await planDeployment(settings);
  if (beginning !== undefined && beginning.planHash !== plan.hash) {
    throw new DeployError(
      { code: "DEPLOY_PLAN_CHANGED", path: journalPath, wanted: beginning.planHash, found: plan.hash },
      {
        message: `${journalPath} began another deployment: options, key or contracts differ. Go on with the ones that began it, or begin anew with another --out`,
      },
    );
  }
  const run: RunOptions = {
    publicClient,
    account,
    journal,
    atOnce: false,
    pollMs,
    patienceMs: command.patienceMs,
    raises: 5,
    onStep: ({ name, creates }, at, { gasUsed }, isOld) =>
      io.say(
        `${at + 1}/${plan.steps.length} ${name}${creates ? ` at ${creates}` : ""} (${gasUsed} gas${isOld ? ", sent before" : ""})`,
      ),
  };
  return { plan, run, deployedAtBlock: beginning?.deployedAtBlock ?? block };
}

/** Until all of it stands so deep that it stays: what a reorganisation took out is sent again. */
async function runToDepth(
  plan: Plan,
  run: RunOptions,
  depth: number,
  patienceMs: number,
  say: (text: string) => void,
): Promise<void> {
  let silent = run;
  for (let round = 0; round < maxRounds; round += 1) {
    const receipts = await runPlan(plan, silent);
    const newest = receipts.at(-1)!;
    const block = newest.blockNumber + BigInt(depth);
    // A chain of one's own may make none by itself.
    if (round === 0 && depth > 0) say(`wait for block ${block}, ${depth} behind the last step's`);
    if (await waitForDepth(run, block, patienceMs)) {
      const found = await ask("eth_getBlockByNumber", run.publicClient.getBlock({ blockNumber: newest.blockNumber }));
      if (found.hash === newest.blockHash) return;
    }
    silent = { ...run, onStep: undefined };
  }
  const last = plan.steps.at(-1)!;
  const transaction = run.journal.attempts(plan.steps.length - 1).at(-1)!.hash;
  throw new DeployError({ code: "DEPLOY_NOT_CONFIRMED_IN_TIME", step: last.name, transaction });
}

async function waitForDepth({ publicClient }: RunOptions, block: bigint, patienceMs: number): Promise<boolean> {
  for (let look = 0; look < Math.ceil(patienceMs / pollMs); look += 1) {
    if ((await ask("eth_blockNumber", publicClient.getBlockNumber())) >= block) return true;
    await new Promise((wake) => setTimeout(wake, pollMs));
  }
  return false;
}

async function costOf(plan: Plan, run: RunOptions, { network, command }: Work): Promise<Cost> {
  const { dataFee = "included" } = network;
  const [{ gas, steps, dataBytes }, fees, balanceWei] = await Promise.all([
    estimateGas(plan, run),
    readFees(run.publicClient),
    ask("eth_getBalance", run.publicClient.getBalance({ address: run.account.address })),
  ]);
  const dataFees = await ask(
    "getL1FeeUpperBound",
    Promise.all(dataBytes.map((bytes) => dataFeeOf(run.publicClient, dataFee).of(bytes))),
  );
  const dataWei = dataFees.reduce((sum, fee) => sum + fee, 0n);
  const feeWei = fees.type === "legacy" ? fees.gasPrice : fees.maxFeePerGas;
  const ceilingWei = command.maxFeeWei ?? feeWei * DEFAULT_CEILING;
  return { gas, steps, balanceWei, dataWei, feeWei, ceilingWei };
}

async function connect(network: Network, env: DeployIo["env"]): Promise<PublicClient> {
  const fromEnv = (env.LEAT_CHAIN_RPC_URLS ?? "").split(",").map((url) => url.trim());
  const urls = fromEnv.some((url) => url !== "") ? fromEnv.filter((url) => url !== "") : network.rpcUrls;
  if (urls.length === 0) {
    throw new DeployError(
      { code: "DEPLOY_RPC_MISSING", name: network.name },
      { message: `no endpoint of ${network.name} is known; set LEAT_CHAIN_RPC_URLS or rpcUrls in the network file` },
    );
  }
  const transport = fallback(
    urls.map((url) => http(url, { timeout: 20_000, retryCount: 2 })),
    { retryCount: 1 },
  );
  const publicClient = createPublicClient({ transport, cacheTime: 0 });
  const found = await ask("eth_chainId", publicClient.getChainId());
  if (found !== network.chainId) throw new DeployError({ code: "DEPLOY_CHAIN_WRONG", wanted: network.chainId, found });
  return publicClient;
}

function requireTokens(network: Network, developmentTokens: boolean): void {
  if (network.tokens === undefined && !developmentTokens) {
    const wanted = "the network's tokens in its file, or this for tokens that anybody can mint";
    throw new DeployError({ code: "DEPLOY_OPTION_MISSING", option: "--development-tokens", wanted });
  }
  if (network.tokens !== undefined && developmentTokens) {
    const wanted = "a network file without tokens";
    throw new DeployError({
      code: "DEPLOY_OPTION_INVALID",
      option: "--development-tokens",
      wanted,
      found: "given",
    });
  }
  if (network.tokens !== undefined && network.stake === undefined) {
    const wanted = "a network file with its stake";
    throw new DeployError({ code: "DEPLOY_OPTION_INVALID", option: "--network", wanted, found: network.name });
  }
}

/** A typing error in an address would be allowed for ever. */
async function checkTokens(publicClient: PublicClient, tokens: Tokens): Promise<void> {
  for (const [name, token] of Object.entries(tokens) as [keyof Tokens, Address][]) {
    const wrong = (reason: string) => new DeployError({ code: "DEPLOY_TOKEN_WRONG", token, name, reason });
    const code = await ask("eth_getCode", publicClient.getCode({ address: token }));
    if (code === undefined) throw wrong("no contract stands there");
    const call = { address: token, abi: erc20Abi } as const;
    const [symbol, decimals] = await Promise.all([
      publicClient.readContract({ ...call, functionName: "symbol" }),
      publicClient.readContract({ ...call, functionName: "decimals" }),
    ]).catch(() => {
      throw wrong("it is no token");
    });
    if (symbol !== name) throw wrong(`its symbol is ${symbol.slice(0, 20)}`);
    if (decimals !== decimalsOf[name]) throw wrong(`it has ${decimals} decimals`);
  }
}

/** The network file with its deployment: what `leat start --network` takes. */
function describeNetwork(network: Network, plan: Plan, deployedAtBlock: bigint): string {
  const { tokens, stakeToken } = plan.deployment;
  const stake = { token: stakeToken, minimum: plan.settings.minimumStake };
  const whole = { ...network, tokens, stake, deployment: { ...plan.deployment, deployedAtBlock } };
  return `${JSON.stringify(whole, (_, value) => (typeof value === "bigint" ? value.toString() : value), 2)}\n`;
}

async function ask<T>(method: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new DeployError({ code: "DEPLOY_RPC_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
  }
}
