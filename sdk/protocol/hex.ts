import { CodedError } from "../base/errors.ts";

/** Bytes as text: `0x` and two digits a byte. */
export type Hex = `0x${string}`;

/** 20 bytes. Leat compares addresses as text, so they are held in lower case; `toAddress` makes them so. */
export type Address = Hex;

export class HexError extends CodedError<{ code: "HEX_INVALID"; value: string; wantedBytes?: number }> {}

const digits = Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
const prefix = [0x30, 0x78];
const PIECE_BYTES = 4_096;
/**
 * The digits of so many bytes become text in one step: text that is put together digit by digit is held as a tree many
 * times its size.
 */
const piece = new Uint8Array(prefix.length + 2 * PIECE_BYTES);
const latin1 = new TextDecoder("latin1");
const hexPattern = /^0x(?:[0-9a-fA-F]{2})*$/;

export const zeroAddress: Address = `0x${"00".repeat(20)}`;
export const zeroHash: Hex = `0x${"00".repeat(32)}`;

/** Whether `value` is hex text, of exactly `sizeBytes` where given. */
export function isHex(value: unknown, sizeBytes?: number): value is Hex {
  if (typeof value !== "string") return false;
  if (sizeBytes !== undefined && value.length !== 2 + 2 * sizeBytes) return false;
  return hexPattern.test(value);
}

export function bytesToHex(bytes: Uint8Array): Hex {
  let text = "";
  for (let at = 0; at === 0 || at < bytes.length; at += PIECE_BYTES) {
    const end = Math.min(at + PIECE_BYTES, bytes.length);
    let written = at === 0 ? 2 : 0;
    if (at === 0) piece.set(prefix);
    for (let index = at; index < end; index += 1) {
      piece[written] = digits[bytes[index]! >> 4]!;
      piece[written + 1] = digits[bytes[index]! & 15]!;
      written += 2;
    }
    text += latin1.decode(piece.subarray(0, written));
  }
  return text as Hex;
}

/** Bytes of a hex text, refused unless it is well formed (and `sizeBytes` long where given). */
export function hexToBytes(hex: string, sizeBytes?: number): Uint8Array {
  if (!isHex(hex, sizeBytes))
    throw new HexError({ code: "HEX_INVALID", value: hex.slice(0, 80), wantedBytes: sizeBytes });
  const bytes = new Uint8Array((hex.length - 2) / 2);
  writeHex(bytes, 0, hex);
  return bytes;
}

/** Writes an already checked hex text at `offset`. */
export function writeHex(target: Uint8Array, offset: number, hex: Hex): void {
  for (let index = 2, at = offset; index < hex.length; index += 2, at += 1) {
    target[at] = (nibble(hex.charCodeAt(index)) << 4) | nibble(hex.charCodeAt(index + 1));
  }
}

/** A checked address in lower case: the only form that Leat compares. */
export function toAddress(value: string): Address {
  if (!isHex(value, 20)) throw new HexError({ code: "HEX_INVALID", value: value.slice(0, 80), wantedBytes: 20 });
  return value.toLowerCase() as Address;
}

function nibble(charCode: number): number {
  if (charCode <= 57) return charCode - 48;
  return (charCode | 32) - 87;
}
