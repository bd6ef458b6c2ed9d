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
