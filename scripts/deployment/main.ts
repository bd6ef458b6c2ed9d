import { createInterface } from "node:readline/promises";
import { formatEther, formatGwei } from "viem";
import { describeFailure } from "../../node/texts/table.ts";
import { type Cost, type DeployIo, type DeployResult, deploy } from "./deploy.ts";
import { parseOptions, usage } from "./options.ts";
import type { Plan } from "./plan.ts";

async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes("--json");
  try {
    const command = parseOptions(argv);
    if (command === "help") {
      process.stdout.write(usage);
      return 0;
    }
    const result = await deploy(command, io);
    if (command.json) process.stdout.write(`${toJson({ ok: true, ...describe(result) })}\n`);
    else process.stdout.write(result.file === undefined ? showPlan(result.plan, result.cost) : `${result.file}\n`);
    return 0;
  } catch (error) {
    const failure = describeFailure(error);
    if (failure === undefined) throw error;
    process.stderr.write(`${failure.code}: ${failure.message}\n`);
    if (json) process.stdout.write(`${toJson({ ok: false, error: failure })}\n`);
    return 1;
  }
}

/** Progress and the question go to standard error: standard output holds the result alone. */
const io: DeployIo = {
  env: process.env,
  say: (line) => process.stderr.write(`${line}\n`),
  async confirm(plan, cost) {
    process.stderr.write(showPlan(plan, cost));
    if (!process.stdin.isTTY) return false;
    const question = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await question.question("Deploy? [y/N] ");
    question.close();
    return answer.trim().toLowerCase() === "y";
  },
};

function describe({ network, file, plan, cost, checks }: DeployResult) {
  return { network, file, checks, firstNonce: plan.settings.firstNonce, deployment: plan.deployment, cost };
}

function showPlan(plan: Plan, { gas, steps, feeWei, ceilingWei, dataWei, balanceWei }: Cost): string {
  const data = dataWei === 0n ? "" : ` and ${formatEther(dataWei)} ether for their data`;
  const lines = [
    `deployer ${plan.settings.deployer}, from nonce ${plan.settings.firstNonce}, on chain ${plan.settings.chainId}`,
    ...plan.steps.map((step, at) => `  ${at + 1} ${step.name}${step.creates ? ` at ${step.creates}` : ""}`),
    `${steps} transactions to send: at most ${gas} gas at ${formatGwei(feeWei)} gwei${data}, ${formatEther(gas * feeWei + dataWei)} of ${formatEther(balanceWei)} ether`,
    `where the price of gas rises meanwhile, nothing is signed above ${formatGwei(ceilingWei)} gwei`,
  ];
  return `${lines.join("\n")}\n`;
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? item.toString() : item));
}

process.exitCode = await main(process.argv.slice(2));
