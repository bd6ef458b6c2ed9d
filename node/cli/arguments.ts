import { type Address, isHex, toAddress, zeroAddress } from "@leat/sdk/protocol/hex.ts";
import { readTypedAddress } from "@leat/sdk/protocol/typed-address.ts";
import { UsageError } from "./output.ts";

export function readAddress(text: string, name: string): Address {
  if (!isHex(text, 20) || toAddress(text) === zeroAddress) {
    throw new UsageError(`${name} is an address that is not zero, not ${text.slice(0, 80)}`);
  }
  return readTypedAddress(text);
}

/** Of `--to`, or the account that acts. */
export function readRecipient(text: string | undefined): Address | undefined {
  return text === undefined ? undefined : readAddress(text, "--to");
}

export function readCluster(text: string): bigint {
  if (!/^[0-9]{1,78}$/.test(text)) throw new UsageError(`a cluster is a number, not ${text.slice(0, 80)}`);
  return BigInt(text);
}

/** `12.5` is an eighth of a payment: millionths of it are what the chain knows. */
export function readShare(percent: string): number {
  const match = /^([0-9]{1,3})(?:\.([0-9]{1,4}))?$/.exec(percent);
  const ppm = match === null ? Number.NaN : Number(match[1]) * 10_000 + Number((match[2] ?? "").padEnd(4, "0"));
  if (!(ppm <= 1_000_000)) {
    throw new UsageError(`a share is per cent from 0 to 100 with at most four digits after the point, not ${percent}`);
  }
  return ppm;
}
