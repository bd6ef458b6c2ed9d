import { readFile } from "node:fs/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { formatTime } from "@leat/sdk/base/format-time.ts";
import { getCollectStatus, getDecimals, tokenAddress } from "@leat/sdk/client/actions/account.ts";
import { getClusterAccount } from "@leat/sdk/client/actions/cluster.ts";
import {
  type AllotmentStatus,
  allotSigner,
  getAllotment,
  listAllotments,
  proveSigner,
  revokeSigner,
  type SignerProof,
} from "@leat/sdk/client/actions/signers.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import { clusterRegistryAbi } from "@leat/sdk/protocol/abi/cluster-registry.ts";
import { type Address, isHex, toAddress } from "@leat/sdk/protocol/hex.ts";
import { formatAmount, parsePayment } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { openAccount } from "./account-client.ts";
import { readAddress } from "./arguments.ts";
import { askPayments } from "./node-answer.ts";
import { printResult, UsageError } from "./output.ts";
import { acceptSettings } from "./settings-flags.ts";

export class SignerCommandError extends CodedError<
  | { code: "CLI_PROOF_UNREADABLE"; path: string }
  | { code: "CLI_PROOF_OF_ANOTHER"; wanted: Address; found: Address }
  | { code: "CLI_CAP_SPENT"; token: Address; symbol: string; decimals: number; cap: bigint; collected: bigint }
> {}

/** The contract ends an allotment after 400 days at the latest. */
const MAX_DAYS = 400;
const DAY_SECONDS = 86_400n;
/** A proof travels by hand from the key's machine to the account's. */
const PROOF_SECONDS = 7n * DAY_SECONDS;

interface ChannelFlags {
  readonly signer: string;
  readonly cluster: string;
  readonly token: string;
}

interface AllotFlags extends ChannelFlags {
  readonly cap: string;
  readonly days: string;
  readonly proof: string;
}

/** `leat buyer prove`, `allot` and `revoke`: a key that may sign for an account which itself stays off the machine. */
export function registerSigners(buyer: Command): void {
  acceptSettings(buyer.command("prove"))
    .description("on the agent's machine: prove that this node's key agrees to sign for an account")
    .requiredOption("--for <account>", "the account that will allot it a channel")
    .action(async (flags: { readonly for: string }, command: Command) => {
      const { client, key } = await openAccount(command, 0);
      const proof = await proveSigner(client, key.signer, readAddress(flags.for, "--for"), PROOF_SECONDS);
      printResult(command, proof, ({ validUntil, ...rest }) =>
        JSON.stringify({ ...rest, validUntil: `${validUntil}` }),
      );
    });
  acceptSettings(buyer.command("allot"))
    .description("let another key sign vouchers for this account: it can spend what it is allotted and no more")
    .requiredOption("--signer <address>", "the key's address")
    .requiredOption("--cap <amount>", "most that may ever be paid on the channel, whole tokens, what was paid included")
    .requiredOption("--days <number>", `how long the key may sign, 1 to ${MAX_DAYS}`)
    .requiredOption("--cluster <id>", "cluster that is paid")
    .requiredOption("--proof <file>", 'what "leat buyer prove" printed on the key\'s machine')
    .option("--token <name>", "what is paid in", "USDC")
    .action(async (flags: AllotFlags, command: Command) => {
      const { client, key, settings } = await openAccount(command, 0);
      const channel = await readChannel(client, flags);
      const decimals = await getDecimals(client, channel.token);
      const cap = parsePayment(flags.cap, decimals);
      if (!/^[0-9]{1,3}$/.test(flags.days) || Number(flags.days) < 1 || Number(flags.days) > MAX_DAYS) {
        throw new UsageError(`--days is 1 to ${MAX_DAYS}, not ${flags.days}`);
      }
      const proof = await readProof(flags.proof);
      const { signer, ...payment } = channel;
      if (proof.signer !== signer) {
        const message = `the proof is of ${proof.signer}, not of ${signer}`;
        throw new SignerCommandError(
          { code: "CLI_PROOF_OF_ANOTHER", wanted: signer, found: proof.signer },
          { message },
        );
      }
      const { channelId, collected } = await getCollectStatus(client, { payer: key.address, ...payment });
      if (cap <= collected) {
        const { token } = payment;
        throw new SignerCommandError({ code: "CLI_CAP_SPENT", token, symbol: flags.token, decimals, cap, collected });
      }
      const { timestamp } = await client.publicClient.getBlock();
      const validUntil = timestamp + BigInt(flags.days) * DAY_SECONDS;
      const { transaction } = await allotSigner(client, { ...payment, cap, validUntil, proof });
      const isCluster = await signsForCluster(client, flags.cluster, signer);
      // Only the agent knows what is signed and not collected yet. What it says binds nobody: it is told, no more.
      const { payments } = await askPayments(settings);
      const said = payments?.channels.find((one) => one.channelId === channelId)?.vouchered;
      const vouchered = said === undefined ? undefined : BigInt(said);
      const facts = { account: key.address, ...channel, cap, validUntil, isCluster, collected, vouchered, transaction };
      printResult(command, facts, () => {
        const spent = vouchered !== undefined && vouchered >= cap;
        return [
          `${signer} may sign until ${formatTime(validUntil)}, up to ${flags.cap} ${flags.token} in all`,
          ...(spent
            ? [`${formatAmount(vouchered, decimals)} are signed already: raise the cap, or nothing more is`]
            : []),
          ...(isCluster ? ["the cluster pays itself by this key: all of it can be lost"] : []),
        ].join("\n");
      });
    });
  acceptSettings(buyer.command("revoke"))
    .description("end an allotment now; what the key signed stays collectable for one thaw")
    .requiredOption("--signer <address>", "the key's address")
    .requiredOption("--cluster <id>", "cluster that is paid")
    .option("--token <name>", "what is paid in", "USDC")
    .action(async (flags: ChannelFlags, command: Command) => {
      const { client, key } = await openAccount(command, 0);
      const channel = await readChannel(client, flags);
      const { transaction } = await revokeSigner(client, channel);
      const { validUntil, cap } = await getAllotment(client, { payer: key.address, ...channel });
      printResult(command, { account: key.address, ...channel, cap, validUntil, transaction }, () => {
        return `${channel.signer} may sign nothing more; what it signed can still be collected for one thaw`;
      });
    });
}

/** An allotment as `leat buyer status` tells of it. */
export interface ShownAllotment extends AllotmentStatus {
  readonly ended: boolean;
  /** A balancer of the cluster that is paid: it pays itself, and all of the allotment can be lost. */
  readonly isCluster: boolean;
}

/**
 * The keys that an account allotted its channel to a payee, or any channel where none is named.
 * @param clusters By their accounts.
 */
export async function readAllotments(
  client: LeatClient,
  payer: Address,
  clusters: ReadonlyMap<Address, bigint>,
  payee?: Address,
): Promise<ShownAllotment[]> {
  const [all, { timestamp }] = await Promise.all([listAllotments(client, { payer }), client.publicClient.getBlock()]);
  const shown = all.filter((allotment) => payee === undefined || allotment.payee === payee);
  return Promise.all(
    shown.map(async (allotment) => {
      const cluster = clusters.get(allotment.payee);
      const isCluster = cluster !== undefined && (await signsForCluster(client, String(cluster), allotment.signer));
      return { ...allotment, ended: allotment.validUntil <= timestamp, isCluster };
    }),
  );
}

/** One line each: what a key could still be misused for. */
export function showAllotments(
  allotments: readonly ShownAllotment[],
  tokens: readonly { readonly token: Address; readonly name: string; readonly decimals: number }[],
) {
  return allotments.map(({ signer, token, cap, validUntil, ended, isCluster }) => {
    const known = tokens.find((one) => one.token === token);
    return {
      "may sign": signer,
      "up to": `${formatAmount(cap, known?.decimals ?? 0)} ${known?.name ?? token}`,
      until: formatTime(validUntil),
      note: ended ? "ended" : isCluster ? "the cluster's own key: all of it can be lost" : "",
    };
  });
}

async function readChannel(client: LeatClient, flags: ChannelFlags) {
  if (!/^[0-9]{1,78}$/.test(flags.cluster)) throw new UsageError(`--cluster is a number, not ${flags.cluster}`);
  const payee = await getClusterAccount(client, BigInt(flags.cluster));
  return { payee, token: tokenAddress(client, flags.token), signer: readAddress(flags.signer, "--signer") };
}

async function readProof(path: string): Promise<SignerProof> {
  try {
    const { signer, validUntil, r, vs } = JSON.parse(await readFile(path, "utf8")) as Record<string, string>;
    if (!isHex(signer, 20) || !isHex(r, 32) || !isHex(vs, 32)) throw new Error("fields");
    return { signer: toAddress(signer), validUntil: BigInt(validUntil!), r, vs };
  } catch (cause) {
    const message = `no proof can be read from ${path}; it is what "leat buyer prove --for ACCOUNT" prints`;
    throw new SignerCommandError({ code: "CLI_PROOF_UNREADABLE", path }, { cause, message });
  }
}

function signsForCluster(client: LeatClient, cluster: string, signer: Address): Promise<boolean> {
  return client.publicClient.readContract({
    address: client.deployment.clusterRegistry,
    abi: clusterRegistryAbi,
    functionName: "isBalancer",
    args: [BigInt(cluster), signer],
  });
}
