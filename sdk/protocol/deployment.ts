import { CodedError } from "../base/errors.ts";
import { type Address, isHex, toAddress } from "./hex.ts";

/** Where the contracts of one network are. Statements are bound to `chainId` and `escrow`. */
export interface Deployment {
  readonly chainId: number;
  readonly escrow: Address;
  readonly operatorRegistry: Address;
  readonly clusterRegistry: Address;
  readonly accessManager: Address;
  readonly tokens: { readonly LPT: Address; readonly USDC: Address };
  /** Events before this block are not ours. */
  readonly deployedAtBlock: bigint;
}

export class DeploymentError extends CodedError<{ code: "DEPLOYMENT_INVALID"; field: string }> {}

/** Reads a deployment from JSON, in which the block is a number or decimal text. @throws DEPLOYMENT_INVALID */
export function parseDeployment(json: unknown): Deployment {
  const source = readObject(json, "");
  const tokens = readObject(source.tokens, "tokens");
  const chainId = source.chainId;
  if (typeof chainId !== "number" || !Number.isSafeInteger(chainId) || chainId < 1) throw invalid("chainId");
  return Object.freeze({
    chainId,
    escrow: readAddress(source, "escrow"),
    operatorRegistry: readAddress(source, "operatorRegistry"),
    clusterRegistry: readAddress(source, "clusterRegistry"),
    accessManager: readAddress(source, "accessManager"),
    tokens: Object.freeze({ LPT: readAddress(tokens, "LPT"), USDC: readAddress(tokens, "USDC") }),
    deployedAtBlock: readBlock(source.deployedAtBlock),
  });
}

function readObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw invalid(field);
  return value as Record<string, unknown>;
}

function readAddress(source: Record<string, unknown>, field: string): Address {
  const value = source[field];
  if (!isHex(value, 20)) throw invalid(field);
  return toAddress(value);
}

function readBlock(value: unknown): bigint {
  const text = String(value);
  if (!/^[0-9]{1,18}$/.test(text)) throw invalid("deployedAtBlock");
  return BigInt(text);
}

function invalid(field: string): DeploymentError {
  return new DeploymentError({ code: "DEPLOYMENT_INVALID", field });
}
