import {
  Eip1559FeesNotSupportedError,
  InsufficientFundsError,
  keccak256,
  type LocalAccount,
  type PublicClient,
  parseTransaction,
  size,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import type { Hex } from "../../sdk/protocol/hex.ts";
import { DeployError, reasonOf } from "./errors.ts";
import type { Attempt, Journal } from "./journal.ts";
import type { Plan, Step } from "./plan.ts";

export interface RunOptions {
  readonly publicClient: PublicClient;
  readonly account: LocalAccount;
  readonly journal: Journal;
  /** Sends all without waiting for blocks between, with the gas of the plan: for chains that make blocks at once. */
  readonly atOnce: boolean;
  readonly pollMs: number;
  /** A transaction that is in no block for so long is sent again with a higher fee. */
  readonly patienceMs: number;
  /** How often it is sent with a higher fee before giving up. */
  readonly raises: number;
  /** Nothing is signed at a higher price of gas. */
  readonly ceilingWei?: bigint;
  /** `isOld`: it was in a block already. */
  readonly onStep?: (step: Step, at: number, receipt: TransactionReceipt, isOld: boolean) => void;
}

/** Most transactions take it whole, blocks differ a little between the estimate and the block. */
const gasMarginPercent = 125n;
/** Endpoints take a replacement only from ten per cent more. */
const raisePercent = 125n;
const looksAfterNonce = 5;

/**
 * Sends what is not in a block yet and waits for all of it. Killed anywhere and called again with the same plan and
 * journal, it goes on: a step's nonce is fixed, what was signed for it is sent again as it was, and a nonce is used once.
 * @throws DEPLOY_RPC_UNREACHABLE, DEPLOY_GAS_SHORT, DEPLOY_NONCE_TAKEN, DEPLOY_REVERTED, DEPLOY_REFUSED,
 * DEPLOY_FEES_HIGH, DEPLOY_NOT_CONFIRMED_IN_TIME
 */
export async function runPlan(plan: Plan, options: RunOptions): Promise<readonly TransactionReceipt[]> {
  const receipts: TransactionReceipt[] = [];
  const old = new Set<number>();
  const settle = async (at: number) => {
    const receipt = await waitFor(plan, at, options);
    receipts.push(receipt);
    options.onStep?.(plan.steps[at]!, at, receipt, old.has(at));
  };
  for (const at of plan.steps.keys()) {
    if (!(await submit(plan, at, options))) old.add(at);
    if (!options.atOnce) await settle(at);
  }
  if (options.atOnce) for (const at of plan.steps.keys()) await settle(at);
  return receipts;
}

/** Most gas that the steps without a receipt can take, for telling before it is spent. */
export async function estimateGas(
  plan: Plan,
  options: RunOptions,
): Promise<{ gas: bigint; steps: number; dataBytes: number[] }> {
  let gas = 0n;
  let steps = 0;
  const dataBytes: number[] = [];
  for (const [at, step] of plan.steps.entries()) {
    if ((await findReceipt(options, at)) !== undefined) continue;
    steps += 1;
    gas += await estimateAhead(plan, step, options);
    dataBytes.push(size(step.data));
  }
  return { gas, steps, dataBytes };
}

/** What a unit of gas costs at most, with room for a few blocks that rise. */
export async function readFees(
  publicClient: PublicClient,
): Promise<
  { type: "eip1559"; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint } | { type: "legacy"; gasPrice: bigint }
> {
  try {
    return { type: "eip1559", ...(await publicClient.estimateFeesPerGas()) };
  } catch (error) {
    if (!(error instanceof Eip1559FeesNotSupportedError)) throw unreachable("eth_feeHistory", error);
    return { type: "legacy", gasPrice: await ask("eth_gasPrice", publicClient.getGasPrice()) };
  }
}

/** Answers whether there was anything to send. */
async function submit(plan: Plan, at: number, options: RunOptions): Promise<boolean> {
  if ((await findReceipt(options, at)) !== undefined) return false;
  const attempts = options.journal.attempts(at);
  const attempt = attempts.at(-1) ?? (await sign(plan, at, options, undefined));
  await broadcast(plan, at, attempt, options);
  return true;
}

/** The bytes are in the journal before anybody sees them. */
async function sign(plan: Plan, at: number, options: RunOptions, last: Attempt | undefined): Promise<Attempt> {
  const { publicClient, account, journal, atOnce } = options;
  const step = plan.steps[at]!;
  const nonce = plan.settings.firstNonce + at;
  const used = await ask("eth_getTransactionCount", publicClient.getTransactionCount({ address: account.address }));
  if (used > nonce) {
    // One of the earlier attempts may just have come into a block.
    if (last !== undefined) return last;
    throw nonceTaken(step, nonce);
  }
  const request = { to: step.to, data: step.data };
  const gas = atOnce ? step.gas : ((await estimateNow(step, options)) * gasMarginPercent) / 100n;
  const fees = await readFees(publicClient);
  const priced =
    fees.type === "legacy"
      ? { type: "legacy" as const, gasPrice: raise(fees.gasPrice, last?.feeWei) }
      : {
          type: "eip1559" as const,
          maxFeePerGas: raise(fees.maxFeePerGas, last?.feeWei),
          // The tip must rise as well, from what it was: all above the base fee would go to the block's maker.
          maxPriorityFeePerGas: raise(fees.maxPriorityFeePerGas, last && tipOf(last)),
        };
  const feeWei = priced.type === "legacy" ? priced.gasPrice : priced.maxFeePerGas;
  const { ceilingWei } = options;
  if (ceilingWei !== undefined && feeWei > ceilingWei) {
    throw new DeployError({ code: "DEPLOY_FEES_HIGH", step: step.name, feeWei, ceilingWei });
  }
  const raw = (await account.signTransaction({
    ...request,
    ...priced,
    chainId: plan.settings.chainId,
    nonce,
    gas,
  })) as Hex;
  const attempt = { step: at, hash: keccak256(raw), raw, feeWei };
  await journal.add(attempt);
  return attempt;
}

/** What an endpoint takes in place of another transaction's fee. */
function raise(feeWei: bigint, lastWei: bigint | undefined): bigint {
  const lowest = lastWei === undefined ? 0n : (lastWei * raisePercent) / 100n + 1n;
  return feeWei > lowest ? feeWei : lowest;
}

function tipOf({ raw }: Attempt): bigint | undefined {
  return parseTransaction(raw).maxPriorityFeePerGas;
}

async function broadcast(plan: Plan, at: number, attempt: Attempt, options: RunOptions): Promise<void> {
  const { publicClient, account } = options;
  try {
    await publicClient.sendRawTransaction({ serializedTransaction: attempt.raw });
  } catch (error) {
    // It may have arrived all the same, now or before a kill: the chain decides, not this answer.
    if (isKnown(error) || (await findReceipt(options, at)) !== undefined) return;
    if (!(error instanceof Error) || !hasAnswer(error)) throw unreachable("eth_sendRawTransaction", error);
    const step = plan.steps[at]!;
    if (isShort(error)) {
      const foundWei = await ask("eth_getBalance", publicClient.getBalance({ address: account.address }));
      const wantedWei = step.gas * attempt.feeWei;
      throw new DeployError({ code: "DEPLOY_GAS_SHORT", account: lower(account.address), wantedWei, foundWei });
    }
    throw new DeployError({ code: "DEPLOY_REFUSED", step: step.name, reason: reasonOf(error) }, { cause: error });
  }
}

async function waitFor(plan: Plan, at: number, options: RunOptions): Promise<TransactionReceipt> {
  const { publicClient, account, pollMs, patienceMs, raises, journal } = options;
  const step = plan.steps[at]!;
  const nonce = plan.settings.firstNonce + at;
  const looks = Math.ceil(patienceMs / pollMs);
  let usedWithoutReceipt = 0;
  for (let raised = 0; ; raised += 1) {
    for (let look = 0; look < looks; look += 1) {
      const receipt = await findReceipt(options, at);
      if (receipt !== undefined) return check(step, receipt);
      const used = await ask("eth_getTransactionCount", publicClient.getTransactionCount({ address: account.address }));
      // Endpoints behind one address may know the nonce before they know the receipt.
      usedWithoutReceipt = used > nonce ? usedWithoutReceipt + 1 : 0;
      if (usedWithoutReceipt > looksAfterNonce) throw nonceTaken(step, nonce);
      await new Promise((wake) => setTimeout(wake, pollMs));
    }
    const last = journal.attempts(at).at(-1)!;
    if (raised >= raises) {
      throw new DeployError({ code: "DEPLOY_NOT_CONFIRMED_IN_TIME", step: step.name, transaction: last.hash });
    }
    await broadcast(plan, at, await sign(plan, at, options, last), options);
  }
}

function check(step: Step, receipt: TransactionReceipt): TransactionReceipt {
  if (receipt.status !== "success") {
    throw new DeployError({ code: "DEPLOY_REVERTED", step: step.name, transaction: receipt.transactionHash });
  }
  return receipt;
}

/** Of whichever attempt came into a block. */
async function findReceipt(options: RunOptions, at: number): Promise<TransactionReceipt | undefined> {
  for (const { hash } of options.journal.attempts(at)) {
    try {
      return await options.publicClient.getTransactionReceipt({ hash });
    } catch (error) {
      if (!(error instanceof TransactionReceiptNotFoundError)) throw unreachable("eth_getTransactionReceipt", error);
    }
  }
  return undefined;
}

async function estimateNow(step: Step, { publicClient, account }: RunOptions): Promise<bigint> {
  try {
    return await publicClient.estimateGas({ account: account.address, to: step.to, data: step.data });
  } catch (error) {
    if (!hasAnswer(error)) throw unreachable("eth_estimateGas", error);
    if (isShort(error)) return step.gas;
    throw new DeployError({ code: "DEPLOY_REFUSED", step: step.name, reason: reasonOf(error) }, { cause: error });
  }
}

/**
 * Before the contracts are there: a deployment is estimated where its constructor asks no other contract, and a call as
 * what its bytes cost (on a rollup also what they cost below it) plus the most that it runs.
 */
async function estimateAhead(plan: Plan, step: Step, { publicClient, account }: RunOptions): Promise<bigint> {
  const estimate = (to: Hex | undefined) =>
    publicClient.estimateGas({ account: account.address, to, data: step.data }).then(
      (gas) => gas,
      (error) => {
        if (!hasAnswer(error)) throw unreachable("eth_estimateGas", error);
        return undefined;
      },
    );
  if (step.to === undefined) return ((await estimate(undefined)) ?? step.gas) + step.gas / 10n;
  const bytes = (await estimate(plan.deployment.escrow)) ?? 0n;
  return bytes + step.gas;
}

async function ask<T>(method: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw unreachable(method, error);
  }
}

function unreachable(method: string, cause: unknown): DeployError {
  return new DeployError({ code: "DEPLOY_RPC_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
}

function nonceTaken(step: Step, nonce: number): DeployError {
  const message = `another transaction of the deployer has nonce ${nonce}, which "${step.name}" needed: the addresses that were promised are lost; begin anew with another file, and let the deployer's key do nothing else`;
  return new DeployError({ code: "DEPLOY_NONCE_TAKEN", step: step.name, nonce }, { message });
}

function isKnown(error: unknown): boolean {
  return /already known|already imported|known transaction|nonce too low|already exists/i.test(wholeText(error));
}

function isShort(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof InsufficientFundsError) return true;
  return /insufficient funds/i.test(wholeText(error));
}

/** Whether the endpoint answered with an error of its own, other than having failed to answer. */
function hasAnswer(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (["HttpRequestError", "TimeoutError", "WebSocketRequestError"].includes(at.name)) return false;
  }
  return true;
}

function wholeText(error: unknown): string {
  let text = "";
  for (let at = error; at instanceof Error; at = at.cause) text += ` ${at.message}`;
  return text;
}

function lower(address: string): Hex {
  return address.toLowerCase() as Hex;
}
