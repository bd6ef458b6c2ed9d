import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { open } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Clock } from "./clock.ts";
import type { Startable } from "./lifecycle.ts";
import { TaskGroup } from "./task-group.ts";

export class CertificateError extends CodedError<
  | { code: "CERTIFICATE_INCOMPLETE"; missing: keyof CertificateFiles }
  | { code: "CERTIFICATE_FILE_UNREADABLE"; file: string; reason: string }
  | { code: "CERTIFICATE_INVALID"; file: string }
  | { code: "CERTIFICATE_KEY_INVALID"; file: string }
  | { code: "CERTIFICATE_KEY_MISMATCH"; certFile: string; keyFile: string }
> {}

/** Paths of PEM files, as ACME clients write them: the certificate with its chain, and its key without a passphrase. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate with its chain and the key that fits it, as `tls` takes them. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly validUntilMs: number;
}

/** A chain of ten is 20 KB. */
const MAX_FILE_BYTES = 262_144;
/** How soon a renewed certificate is used: renewals come weeks ahead. */
const LOOK_EVERY_MS = 10_000;

/** @throws CertificateError that names the file at fault. */
export async function readCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  if (certFile === "") throw new CertificateError({ code: "CERTIFICATE_INCOMPLETE", missing: "certFile" });
  if (keyFile === "") throw new CertificateError({ code: "CERTIFICATE_INCOMPLETE", missing: "keyFile" });
  const cert = await readBounded(certFile);
  const key = await readBounded(keyFile);
  const leaf = attempt(() => new X509Certificate(cert), { code: "CERTIFICATE_INVALID", file: certFile });
  const secret = attempt((): KeyObject => createPrivateKey(key), { code: "CERTIFICATE_KEY_INVALID", file: keyFile });
  if (!leaf.checkPrivateKey(secret)) {
    throw new CertificateError({ code: "CERTIFICATE_KEY_MISMATCH", certFile, keyFile });
  }
  // The chain behind the first certificate is read by OpenSSL alone.
  attempt(() => createSecureContext({ cert, key }), { code: "CERTIFICATE_INVALID", file: certFile });
  return { cert, key, validUntilMs: Date.parse(leaf.validTo) };
}

export interface CertificateWatchComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells of a certificate at start and whenever its files hold another one. Files that cannot be used any more are
 * reported, and what was told before stands: an ACME client that is half way through must cut nobody off.
 */
export class CertificateWatch implements Startable {
  readonly #files: CertificateFiles;
  readonly #components: CertificateWatchComponents;
  readonly #onChange: (certificate: Certificate) => void;
  readonly #tasks: TaskGroup;
  #told: Certificate | undefined;
  #complaint = "";
  #isExpired = false;

  constructor(
    files: CertificateFiles,
    components: CertificateWatchComponents,
    onChange: (certificate: Certificate) => void,
  ) {
    this.#files = files;
    this.#components = components;
    this.#onChange = onChange;
    this.#tasks = new TaskGroup({ clock: components.clock });
  }

  async start(): Promise<void> {
    this.#tell(await readCertificate(this.#files));
    this.#tasks.every(LOOK_EVERY_MS, () => this.look());
  }

  stop(): Promise<void> {
    return this.#tasks.close();
  }

  /** Reads the files now. The contents decide, not their dates: renewed files are often linked to, never written. */
  async look(): Promise<void> {
    const { logger } = this.#components;
    try {
      const found = await readCertificate(this.#files);
      this.#complaint = "";
      if (!found.cert.equals(this.#told!.cert) || !found.key.equals(this.#told!.key)) this.#tell(found);
      else this.#judge(found);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      if (this.#complaint === error.message) return;
      this.#complaint = error.message;
      logger.warn("Read renewed certificate failed", { ...error.detail });
    }
  }

  #tell(certificate: Certificate): void {
    const validUntil = new Date(certificate.validUntilMs).toISOString();
    this.#components.logger.info("Use certificate", { certFile: this.#files.certFile, validUntil });
    this.#isExpired = false;
    this.#judge(certificate);
    this.#told = certificate;
    this.#onChange(certificate);
  }

  /** Warns once of one that is over, when it is told or later. */
  #judge({ validUntilMs }: Certificate): void {
    const { clock, logger } = this.#components;
    if (this.#isExpired || clock.nowMs() < validUntilMs) return;
    this.#isExpired = true;
    const { certFile } = this.#files;
    logger.warn("Certificate has expired", { certFile, validUntil: new Date(validUntilMs).toISOString() });
  }
}

async function readBounded(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, "r");
    try {
      const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      if (bytesRead > MAX_FILE_BYTES) {
        throw new CertificateError({ code: "CERTIFICATE_FILE_UNREADABLE", file, reason: "EFBIG" });
      }
      return Buffer.from(bytes.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? "UNKNOWN";
    throw new CertificateError({ code: "CERTIFICATE_FILE_UNREADABLE", file, reason }, { cause: error });
  }
}

function attempt<T>(work: () => T, fault: CertificateError["detail"]): T {
  try {
    return work();
  } catch (cause) {
    throw new CertificateError(fault, { cause });
  }
}
