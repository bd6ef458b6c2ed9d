import assert from "node:assert/strict";
import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Certificate, CertificateWatch, readCertificate } from "@leat/node/kernel/certificate.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { lockKey, makeCertificate, writeCertificate } from "../../support/certificate.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { withDirectory } from "../../support/media/ffmpeg.ts";

function recordingLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const note = (level: string) => (message: string, facts?: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(facts)}`);
  const logger: Logger = {
    error: note("error"),
    warn: note("warn"),
    info: note("info"),
    debug: note("debug"),
    child: () => logger,
  };
  return { logger, lines };
}

describe("kernel/certificate", () => {
  it("reads a certificate with the key that fits it", () =>
    withDirectory(async (directory) => {
      const validUntilMs = Date.UTC(2040, 0, 2, 3, 4, 5);
      const files = await writeCertificate(directory, makeCertificate("one", validUntilMs));
      const read = await readCertificate(files);
      assert.equal(read.validUntilMs, validUntilMs);
      assert.equal(read.cert.toString(), files.cert);
      assert.equal(read.key.toString(), files.key);
    }));

  it("names the file at fault", () =>
    withDirectory(async (directory) => {
      const good = makeCertificate("one");
      const { certFile, keyFile } = await writeCertificate(directory, good);
      const other = join(directory, "other.pem");
      const refused = (files: { certFile?: string; keyFile?: string }, detail: object) =>
        assert.rejects(readCertificate({ certFile, keyFile, ...files }), { detail });
      await refused({ certFile: "" }, { code: "CERTIFICATE_INCOMPLETE", missing: "certFile" });
      await refused({ keyFile: "" }, { code: "CERTIFICATE_INCOMPLETE", missing: "keyFile" });
      await refused({ certFile: other }, { code: "CERTIFICATE_FILE_UNREADABLE", file: other, reason: "ENOENT" });
      await refused({ keyFile: directory }, { code: "CERTIFICATE_FILE_UNREADABLE", file: directory, reason: "EISDIR" });
      await refused({ certFile: keyFile }, { code: "CERTIFICATE_INVALID", file: keyFile });
      await refused({ keyFile: certFile }, { code: "CERTIFICATE_KEY_INVALID", file: certFile });
      await writeFile(other, makeCertificate("two").key);
      await refused({ keyFile: other }, { code: "CERTIFICATE_KEY_MISMATCH", certFile, keyFile: other });
      await writeFile(other, lockKey(good.key));
      await refused({ keyFile: other }, { code: "CERTIFICATE_KEY_INVALID", file: other });
      await writeFile(other, `${good.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
      await refused({ certFile: other }, { code: "CERTIFICATE_INVALID", file: other });
      await truncate(other, 1_000_000);
      await refused({ certFile: other }, { code: "CERTIFICATE_FILE_UNREADABLE", file: other, reason: "EFBIG" });
    }));

  it("tells of a renewed certificate, and of no half written one", () =>
    withDirectory(async (directory) => {
      const first = await writeCertificate(directory, makeCertificate("one"));
      const { certFile, keyFile } = first;
      const clock = new ManualClock(Date.now());
      const { logger, lines } = recordingLogger();
      const told: Certificate[] = [];
      let heard = Promise.withResolvers<void>();
      const watch = new CertificateWatch({ certFile, keyFile }, { clock, logger }, (certificate) => {
        told.push(certificate);
        heard.resolve();
      });
      await watch.start();
      await watch.look();
      assert.deepEqual(
        told.map(({ cert }) => cert.toString()),
        [first.cert],
      );
      const second = makeCertificate("two", clock.nowMs() - 1_000);
      await writeFile(certFile, second.cert);
      await watch.look();
      await watch.look();
      assert.equal(lines.filter((line) => line.includes("CERTIFICATE_KEY_MISMATCH")).length, 1);
      assert.equal(told.length, 1);
      // The key comes as a link to another file, as some clients write it; its date is older than what it replaces.
      await writeFile(join(directory, "next.pem"), second.key);
      await rm(keyFile);
      await symlink("next.pem", keyFile);
      heard = Promise.withResolvers();
      await clock.advance(10_000);
      await heard.promise;
      assert.equal(told.at(-1)!.cert.toString(), second.cert);
      assert.equal(lines.filter((line) => line.startsWith("warn Certificate has expired")).length, 1);
      assert.ok(lines.every((line) => !line.includes("PRIVATE")));
      await watch.stop();
      assert.equal(clock.sleeping, 0);
    }));

  it("says once that the one in use has expired meanwhile", () =>
    withDirectory(async (directory) => {
      const clock = new ManualClock(Date.now());
      const untilMs = Math.ceil(clock.nowMs() / 1_000) * 1_000 + 60_000;
      const { certFile, keyFile } = await writeCertificate(directory, makeCertificate("one", untilMs));
      const { logger, lines } = recordingLogger();
      const watch = new CertificateWatch({ certFile, keyFile }, { clock, logger }, () => {});
      await watch.start();
      const expired = () => lines.filter((line) => line.startsWith("warn Certificate has expired")).length;
      await clock.advance(untilMs - 1 - clock.nowMs());
      await watch.look();
      assert.equal(expired(), 0);
      await clock.advance(1);
      await watch.look();
      await watch.look();
      assert.equal(expired(), 1);
      await watch.stop();
    }));

  it("does not start without a usable one", async () => {
    const files = { certFile: "/nowhere/cert.pem", keyFile: "/nowhere/key.pem" };
    const watch = new CertificateWatch(files, { clock: new ManualClock(), logger: recordingLogger().logger }, () => {});
    await assert.rejects(watch.start(), { code: "CERTIFICATE_FILE_UNREADABLE" });
    await watch.stop();
  });
});
