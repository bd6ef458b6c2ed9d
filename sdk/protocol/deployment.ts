import { CodedError } from "../base/errors.ts";
import { type Address, isHex } from "./hex.ts";
import { readTypedAddress } from "./typed-address.ts";

export interface Tokens {
  /** Absent on a chain that has no official LPT. */
  readonly LPT?: Address;
  readonly USDC: Address;
}

/** Where the contracts of one network are. Statements are bound to `chainId` and `escrow`. */
export interface Deployment {
  readonly chainId: number;
  readonly escrow: Address;
  readonly operatorRegistry: Address;
  readonly clusterRegistry: Address;
  readonly accessManager: Address;
  /** Who slashes; undefined in files from before it existed. */
  readonly faults?: Address;
  /** What operators stake. Not always a token that pays: where no LPT is, joining stakes nothing. */
  readonly stakeToken: Address;
  /** What pays, by name. */
  readonly tokens: Tokens;
  /** Events before this block are not ours. */
  readonly deployedAtBlock: bigint;
}

export class DeploymentError extends CodedError<{
  code: "DEPLOYMENT_INVALID";
  field: string;
  wanted: string;
  found: string;
}> {}

/** Reads a deployment from JSON, in which the block is a number or decimal text. @throws DEPLOYMENT_INVALID */
export function parseDeployment(json: unknown): Deployment {
  const source = readObject(json, "");
  return Object.freeze({
    chainId: readChainId(source.chainId),
    escrow: readAddress(source, "escrow"),
    operatorRegistry: readAddress(source, "operatorRegistry"),
    clusterRegistry: readAddress(source, "clusterRegistry"),
    accessManager: readAddress(source, "accessManager"),
    ...(source.faults === undefined ? {} : { faults: readAddress(source, "faults") }),
    stakeToken: readAddress(source, "stakeToken"),
    tokens: readTokens(source.tokens),
    deployedAtBlock: readBlock(source.deployedAtBlock),
  });
}

/** @throws DEPLOYMENT_INVALID */
export function readTokens(value: unknown): Tokens {
  const tokens = readObject(value, "tokens");
  const USDC = readAddress(tokens, "USDC");
  return Object.freeze(tokens.LPT === undefined ? { USDC } : { LPT: readAddress(tokens, "LPT"), USDC });
}

/** @throws DEPLOYMENT_INVALID */
export function readChainId(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1)
    throw invalid("chainId", "a whole number above 0", value);
  return value;
}

/** @throws DEPLOYMENT_INVALID */
export function readObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw invalid(field, "an object", value);
  return value as Record<string, unknown>;
}

/** @throws DEPLOYMENT_INVALID, ADDRESS_CHECKSUM_WRONG */
export function readAddress(source: Record<string, unknown>, field: string): Address {
  const value = source[field];
  if (!isHex(value, 20)) throw invalid(field, "an address: 0x and 40 hexadecimal digits", value);
  return readTypedAddress(value);
}

function readBlock(value: unknown): bigint {
  const text = String(value);
  if (!/^[0-9]{1,18}$/.test(text)) throw invalid("deployedAtBlock", "the number of a block", value);
  return BigInt(text);
}

function invalid(field: string, wanted: string, found: unknown): DeploymentError {
  return new DeploymentError({ code: "DEPLOYMENT_INVALID", field, wanted, found: showFound(found) });
}

/** What a file has in a field, cut to what fits in a line. */
export function showFound(value: unknown): string {
  return (JSON.stringify(value) ?? "missing").slice(0, 80);
}
