import { createHmac, hkdfSync } from "node:crypto";
import { bytesToHex, type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { nameOfHash } from "./stream-id.ts";

/** What libsrt takes; a character may be several bytes. */
const [MIN_PASSPHRASE_BYTES, MAX_PASSPHRASE_BYTES] = [10, 79];
/** These hold 192 bits. */
const PASSPHRASE_LENGTH = 32;

/** Whether SRT can be spoken with it. */
export function isPassphrase(text: string): boolean {
  const bytes = Buffer.byteLength(text);
  return bytes >= MIN_PASSPHRASE_BYTES && bytes <= MAX_PASSPHRASE_BYTES;
}

/** What a node and its balancer make passphrases from. It is not the key, and does not lead back to it. */
export function deriveSrtSecret(nodeKey: Uint8Array): Hex {
  return bytesToHex(new Uint8Array(hkdfSync("sha256", nodeKey, "", "leat.srt.passphrases.1", 32)));
}

/**
 * The passphrase of a stream key at one node. Both sides of a handshake must know it at once, where nobody can be asked:
 * so it follows from the node's secret and the name that the publisher gives, which may be seen by anybody.
 */
export function passphraseOf(secret: Hex, keyHash: Hex): string {
  const code = createHmac("sha256", hexToBytes(secret)).update(hexToBytes(keyHash)).digest("base64url");
  return code.slice(0, PASSPHRASE_LENGTH);
}

/** Where a publisher is sent: by the name of the key, encrypted. */
export function srtAddress(url: string, secret: Hex, keyHash: Hex): string {
  return `${url.replace(/\/$/, "")}?streamid=${nameOfHash(keyHash)}&passphrase=${passphraseOf(secret, keyHash)}`;
}
