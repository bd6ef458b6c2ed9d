import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A self-signed certificate of a key of its own, and that key, as PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface WrittenCertificate extends TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

const COMMON_NAME = [0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/** For `localhost` and 127.0.0.1. `name` tells one from another. */
export function makeCertificate(name: string, validUntilMs = Date.now() + 86_400_000): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(tagged(0x06, Buffer.from(ECDSA_WITH_SHA256)));
  const naming = sequence(tagged(0x31, sequence(oid(COMMON_NAME), tagged(0x0c, Buffer.from(name)))));
  const hosts = sequence(tagged(0x82, Buffer.from("localhost")), tagged(0x87, Buffer.of(127, 0, 0, 1)));
  const body = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    naming,
    sequence(time(validUntilMs - 172_800_000), time(validUntilMs)),
    naming,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(
      0xa3,
      sequence(
        extension(SUBJECT_ALT_NAME, hosts),
        // It signs itself, so it must be allowed to sign.
        extension(BASIC_CONSTRAINTS, sequence(tagged(0x01, Buffer.of(0xff)))),
      ),
    ),
  );
  const signature = tagged(0x03, Buffer.concat([Buffer.of(0), sign("sha256", body, privateKey)]));
  const text = sequence(body, algorithm, signature).toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return { cert: `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`, key: toPem(privateKey) };
}

export async function writeCertificate(directory: string, made: TestCertificate): Promise<WrittenCertificate> {
  const certFile = join(directory, "cert.pem");
  const keyFile = join(directory, "key.pem");
  await writeFile(certFile, made.cert);
  await writeFile(keyFile, made.key);
  return { ...made, certFile, keyFile };
}

/** The key with a passphrase. */
export function lockKey(key: string): string {
  return createPrivateKey(key)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" })
    .toString();
}

function toPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function tagged(tag: number, ...pieces: readonly Buffer[]): Buffer {
  const body = Buffer.concat(pieces);
  const { length } = body;
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), body]);
  const size = length < 256 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff);
  return Buffer.concat([Buffer.of(tag), size, body]);
}

const sequence = (...pieces: readonly Buffer[]) => tagged(0x30, ...pieces);
const integer = (value: Buffer) => tagged(0x02, value);
const oid = (bytes: readonly number[]) => tagged(0x06, Buffer.from(bytes));
const extension = (name: readonly number[], value: Buffer) => sequence(oid(name), tagged(0x04, value));

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return tagged(0x18, Buffer.from(digits));
}
