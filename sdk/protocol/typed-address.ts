import { CodedError } from "../base/errors.ts";
import { type Address, bytesToHex, toAddress } from "./hex.ts";
import { keccak256 } from "./keccak.ts";

export class AddressError extends CodedError<{ code: "ADDRESS_CHECKSUM_WRONG"; value: string }> {}

/**
 * An address that a person typed or pasted. Where its letters are in both cases they are its checksum (EIP-55): one wrong
 * digit would send to nobody.
 *
 * @throws AddressError ADDRESS_CHECKSUM_WRONG
 * @throws HexError HEX_INVALID
 */
export function readTypedAddress(text: string): Address {
  const address = toAddress(text);
  const digits = text.slice(2);
  const isPlain = digits === digits.toLowerCase() || digits === digits.toUpperCase();
  if (!isPlain && text !== checksummed(address))
    throw new AddressError({ code: "ADDRESS_CHECKSUM_WRONG", value: text });
  return address;
}

/** A letter is upper case where the hash of the address has 8 or more at its place. */
function checksummed(address: Address): string {
  const hash = bytesToHex(keccak256(new TextEncoder().encode(address.slice(2))));
  const digits = [...address].map((digit, at) =>
    at > 1 && Number(`0x${hash[at]}`) >= 8 ? digit.toUpperCase() : digit,
  );
  return digits.join("");
}
