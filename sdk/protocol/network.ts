import { CodedError } from "../base/errors.ts";
import {
  type Deployment,
  DeploymentError,
  parseDeployment,
  readAddress,
  readChainId,
  readObject,
  readTokens,
  showFound,
  type Tokens,
} from "./deployment.ts";
import { type Address, isHex, toAddress } from "./hex.ts";

/**
 * One file says all that a node and a wallet need to know of a network: its chain, its tokens, how deep a block must be,
 * and where the contracts are. Without a deployment it is what `scripts/deploy` begins with.
 */
export interface Network {
  /** Lower-case words with hyphens. */
  readonly name: string;
  readonly chainId: number;
  /** Endpoints of whoever runs this; a published file names none. */
  readonly rpcUrls: readonly string[];
  /** Blocks on top of one before what it holds counts. */
  readonly confirmedDepth: number;
  /** Tokens that pay; undefined where the deployment brings its own. */
  readonly tokens: Tokens | undefined;
  /** What operators stake, and how much at least, base units; undefined with development tokens. */
  readonly stake: { readonly token: Address; readonly minimum: bigint } | undefined;
  /** Says on a rollup since when its sequencer runs again. */
  readonly sequencerUptimeFeed: Address | undefined;
  /** How transactions pay for their data: `included` in gas, or beside it as on chains of the OP Stack. */
  readonly dataFee: "included" | "op-stack" | undefined;
  readonly deployment: Deployment | undefined;
}

export interface DeployedNetwork extends Network {
  readonly deployment: Deployment;
}

export class NetworkFileError extends CodedError<
  | { code: "NETWORK_INVALID"; field: string; wanted: string; found: string }
  | { code: "NETWORK_NOT_DEPLOYED"; name: string }
> {}

const MAX_RPC_URLS = 8;
const fields = [
  "name",
  "chainId",
  "rpcUrls",
  "confirmedDepth",
  "tokens",
  "stake",
  "sequencerUptimeFeed",
  "dataFee",
  "deployment",
] as const;

/** @param file Where it was read, for people. @throws NETWORK_INVALID with the first field that is wrong */
export function parseNetwork(json: unknown, file = "the network file"): Network {
  try {
    return read(readObject(json, ""));
  } catch (error) {
    if (!(error instanceof DeploymentError)) throw error;
    const { field, wanted, found } = error.detail;
    const message = `${field === "" ? file : `${field} in ${file}`} is ${found}, wanted is ${wanted}`;
    throw new NetworkFileError({ code: "NETWORK_INVALID", field, wanted, found }, { message });
  }
}

/** @throws NETWORK_NOT_DEPLOYED */
export function requireDeployed(network: Network): DeployedNetwork {
  const { deployment, name } = network;
  if (deployment !== undefined) return { ...network, deployment };
  throw new NetworkFileError(
    { code: "NETWORK_NOT_DEPLOYED", name },
    { message: `no contracts stand on ${name} yet; give the file that "scripts/deploy --network ${name}" writes` },
  );
}

function read(source: Record<string, unknown>): Network {
  const unknown = Object.keys(source).find((name) => !(fields as readonly string[]).includes(name));
  if (unknown !== undefined) throw invalid(unknown, `one of ${fields.join(", ")}`, unknown);
  const network = {
    name: readName(source.name),
    chainId: readChainId(source.chainId),
    rpcUrls: readUrls(source.rpcUrls ?? []),
    confirmedDepth: readDepth(source.confirmedDepth),
    tokens: isAbsent(source.tokens) ? undefined : readTokens(source.tokens),
    stake: isAbsent(source.stake) ? undefined : readStake(source.stake),
    sequencerUptimeFeed: isAbsent(source.sequencerUptimeFeed) ? undefined : readAddress(source, "sequencerUptimeFeed"),
    dataFee: isAbsent(source.dataFee) ? undefined : readDataFee(source.dataFee),
    deployment: isAbsent(source.deployment) ? undefined : parseDeployment(source.deployment),
  };
  const { tokens, stake, deployment } = network;
  // The file is edited by hand: addresses of another chain or of other tokens must not slip in.
  if (deployment !== undefined && deployment.chainId !== network.chainId) {
    throw invalid("deployment.chainId", `that of the file, ${network.chainId}`, deployment.chainId);
  }
  if (deployment !== undefined && tokens !== undefined) {
    for (const name of ["USDC", "LPT"] as const) {
      if (deployment.tokens[name] === tokens[name]) continue;
      throw invalid(`deployment.tokens.${name}`, `that of tokens, ${tokens[name]}`, deployment.tokens[name]);
    }
  }
  if (deployment !== undefined && stake !== undefined && deployment.stakeToken !== stake.token) {
    throw invalid("deployment.stakeToken", `that of stake, ${stake.token}`, deployment.stakeToken);
  }
  return Object.freeze(network);
}

/** Absent and null say the same: a file may show what it does not have. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function readName(value: unknown): string {
  if (typeof value !== "string" || !/^[a-z0-9][a-z0-9-]{0,63}$/.test(value)) {
    throw invalid("name", "1 to 64 lower-case letters, digits and hyphens", value);
  }
  return value;
}

function readUrls(value: unknown): readonly string[] {
  const isList = Array.isArray(value) && value.length <= MAX_RPC_URLS;
  if (isList && value.every((url) => typeof url === "string" && /^https?:\/\/\S+$/.test(url))) {
    return Object.freeze([...value]);
  }
  // An endpoint's address may hold a key: what was found is not told.
  const found = Array.isArray(value) ? `a list of ${value.length}` : typeof value;
  throw new DeploymentError({
    code: "DEPLOYMENT_INVALID",
    field: "rpcUrls",
    wanted: `a list of at most ${MAX_RPC_URLS} addresses that begin with http:// or https://`,
    found,
  });
}

function readDepth(value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 1_000) {
    throw invalid("confirmedDepth", "a whole number from 0 to 1000", value);
  }
  return value;
}

function readStake(value: unknown): { readonly token: Address; readonly minimum: bigint } {
  const { token, minimum } = readObject(value, "stake");
  if (!isHex(token, 20)) {
    throw invalid("stake.token", "an address: 0x and 40 hexadecimal digits", token);
  }
  if (typeof minimum !== "string" || !/^[0-9]{1,29}$/.test(minimum)) {
    throw invalid("stake.minimum", "base units as text of at most 29 digits", minimum);
  }
  return Object.freeze({ token: toAddress(token), minimum: BigInt(minimum) });
}

function readDataFee(value: unknown): "included" | "op-stack" {
  if (value === "included" || value === "op-stack") return value;
  throw invalid("dataFee", "included or op-stack", value);
}

function invalid(field: string, wanted: string, found: unknown): DeploymentError {
  return new DeploymentError({ code: "DEPLOYMENT_INVALID", field, wanted, found: showFound(found) });
}
