import { randomBytes } from "node:crypto";
import { type FileHandle, link, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { fileReason } from "@leat/sdk/base/file-reasons.ts";
import { type Address, bytesToHex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import type { Secp256k1PrivateKey } from "@libp2p/interface";
import { syncDirectory } from "./atomic-file.ts";
import { makeFolder } from "./make-folder.ts";
import { nativeStatements } from "./secp.ts";

export class KeyError extends CodedError<
  | { code: "KEY_FILE_MISSING"; path: string }
  | { code: "KEY_FILE_EXISTS"; path: string }
  | { code: "KEY_FILE_OPEN_TO_OTHERS"; path: string; mode: string }
  | { code: "KEY_FILE_INVALID"; path: string }
  | { code: "KEY_FILE_UNREADABLE"; path: string; reason: string }
  | { code: "KEY_FILE_UNWRITABLE"; path: string; reason: string }
> {}

/** 0x, 64 digits, and white space around them. */
const MAX_KEY_BYTES = 256;

/** One secp256k1 key: the node's libp2p identity and its Ethereum address. */
export interface NodeKey {
  readonly address: Address;
  readonly signer: StatementSigner;
  /** 32 bytes. For libp2p and chain transactions; never written or shown. */
  readonly secret: Uint8Array;
}

export function createNodeKey(secret: Uint8Array): NodeKey {
  const signer = nativeStatements.createSigner(secret);
  return { address: signer.address, signer, secret };
}

export function toLibp2pKey(key: NodeKey): Secp256k1PrivateKey {
  const privateKey = privateKeyFromRaw(key.secret);
  if (privateKey.type !== "secp256k1") throw new Error("libp2p read 32 bytes as another key type");
  return privateKey;
}

/**
 * Makes a new key. Never replaces one: a lost node key cannot be made again.
 * @throws KEY_FILE_EXISTS, KEY_FILE_UNWRITABLE
 */
export async function createKeyFile(path: string): Promise<NodeKey> {
  let secret = randomBytes(32);
  // The curve's order is so near 2^256 that this never happens; it must still not make an unusable file.
  while (!isUsable(secret)) secret = randomBytes(32);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await makeFolder(dirname(path), 0o700);
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${bytesToHex(secret)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link, unlike a rename, fails when the name is taken.
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") throw new KeyError({ code: "KEY_FILE_EXISTS", path });
      throw error;
    });
    await syncDirectory(dirname(path));
  } catch (cause) {
    if (cause instanceof KeyError) throw cause;
    throw new KeyError({ code: "KEY_FILE_UNWRITABLE", path, reason: fileReason(cause) }, { cause });
  } finally {
    // Where it could not be written it may not be possible to look for it either; the cause above says why.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  return createNodeKey(secret);
}

/**
 * Reads a key file: 32 bytes as hex. Refuses one that others on the machine can read.
 * @throws KEY_FILE_MISSING, KEY_FILE_UNREADABLE, KEY_FILE_OPEN_TO_OTHERS, KEY_FILE_INVALID
 */
export async function loadKeyFile(path: string): Promise<NodeKey> {
  const file = await readKeyFile(path).catch((cause: unknown) => {
    if (cause instanceof KeyError) throw cause;
    const reason = fileReason(cause);
    if (reason !== "ENOENT") throw new KeyError({ code: "KEY_FILE_UNREADABLE", path, reason }, { cause });
    throw new KeyError(
      { code: "KEY_FILE_MISSING", path },
      { cause, message: `no node key at ${path}; make one with "leat keys create --file ${path}"` },
    );
  });
  return toNodeKey(path, file);
}

function toNodeKey(path: string, { text, sizeBytes }: KeyFile): NodeKey {
  try {
    return createNodeKey(hexToBytes(text.startsWith("0x") ? text : `0x${text}`, 32));
  } catch {
    // The cause would carry the key's text.
    const found = sizeBytes === 0 ? "it is empty" : `it has ${sizeBytes} bytes, and none that make a key`;
    const wanted = `wanted are 64 hex digits and nothing else; "leat keys create --file FILE" makes one`;
    throw new KeyError({ code: "KEY_FILE_INVALID", path }, { message: `${path} is no node key: ${found}; ${wanted}` });
  }
}

interface KeyFile {
  readonly text: string;
  readonly sizeBytes: number;
}

async function readKeyFile(path: string): Promise<KeyFile> {
  const file = await open(path, "r");
  try {
    const facts = await file.stat();
    // Whoever may read a folder is nobody's business here, and it may have to stay so.
    if (facts.isDirectory()) throw new KeyError({ code: "KEY_FILE_UNREADABLE", path, reason: "EISDIR" });
    const bytes = await readStart(file);
    const text = bytes.length > MAX_KEY_BYTES ? "" : bytes.toString("utf8").trim();
    const found = { text, sizeBytes: Math.max(facts.size, bytes.length) };
    const mode = facts.mode & 0o777;
    if ((mode & 0o077) !== 0) {
      // What is no key may stay open to all.
      toNodeKey(path, found);
      throw new KeyError(
        { code: "KEY_FILE_OPEN_TO_OTHERS", path, mode: mode.toString(8) },
        { message: `others can read the node key at ${path}; run "chmod 600 ${path}"` },
      );
    }
    return found;
  } finally {
    await file.close();
  }
}

/** Of a film that was named by mistake no more is read than a key has, and one byte. A pipe gives it as it comes. */
async function readStart(file: FileHandle): Promise<Buffer> {
  const bytes = Buffer.alloc(MAX_KEY_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length);
    length += bytesRead;
    if (bytesRead === 0 || length === bytes.length) return bytes.subarray(0, length);
  }
}

function isUsable(secret: Uint8Array): boolean {
  try {
    nativeStatements.createSigner(secret);
    return true;
  } catch {
    return false;
  }
}
