import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createKeyFile, createNodeKey, type KeyError, loadKeyFile, toLibp2pKey } from "@leat/node/kernel/keys.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { bytesToHex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { privateKeyToAddress } from "viem/accounts";

describe("kernel/keys", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-keys-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("creates a private file that loads again, and whose address is the chain's", async () => {
    const path = join(folder, "deep", "node.key");
    const created = await createKeyFile(path);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const loaded = await loadKeyFile(path);
    assert.equal(loaded.address, created.address);
    const text = (await readFile(path, "utf8")).trim() as `0x${string}`;
    assert.equal(privateKeyToAddress(text).toLowerCase(), created.address);
    assert.deepEqual(await readdir(join(folder, "deep")), ["node.key"]);
  });

  it("never replaces a key", async () => {
    const path = join(folder, "node.key");
    const { address } = await createKeyFile(path);
    await assert.rejects(createKeyFile(path), { code: "KEY_FILE_EXISTS" });
    assert.equal((await loadKeyFile(path)).address, address);
    assert.deepEqual(await readdir(folder), ["node.key"]);
  });

  it("tells why a file cannot be written or read, by code", async () => {
    const taken = join(folder, "taken");
    await writeFile(taken, "");
    const cases = [
      ["/proc/leat.key", "ENOENT"],
      ["/sys/leat.key", "EACCES,EPERM,ENOENT,EROFS"],
      [join(taken, "node.key"), "ENOTDIR,EEXIST"],
      [join(folder, "n".repeat(300)), "ENAMETOOLONG"],
    ] as const;
    for (const [path, reasons] of cases) {
      await assert.rejects(createKeyFile(path), ({ detail }: KeyError) => {
        assert.ok(detail.code === "KEY_FILE_UNWRITABLE", detail.code);
        assert.equal(detail.path, path);
        return reasons.split(",").includes(detail.reason);
      });
    }
    await mkdir(join(folder, "folder"), { mode: 0o755 });
    await assert.rejects(loadKeyFile(join(folder, "folder")), ({ detail }: KeyError) => {
      assert.deepEqual(detail, { code: "KEY_FILE_UNREADABLE", path: join(folder, "folder"), reason: "EISDIR" });
      return true;
    });
    assert.deepEqual((await readdir(folder)).sort(), ["folder", "taken"]);
  });

  it("refuses a file that others can read", async () => {
    const path = join(folder, "node.key");
    await createKeyFile(path);
    for (const mode of [0o640, 0o604]) {
      await chmod(path, mode);
      await assert.rejects(loadKeyFile(path), { code: "KEY_FILE_OPEN_TO_OTHERS" });
    }
  });

  it("reads a key that comes through a pipe, and no more of one than a key has", async () => {
    const path = join(folder, "pipe");
    await promisify(execFile)("mkfifo", ["-m", "600", path]);
    const load = async (text: string) => (await Promise.allSettled([loadKeyFile(path), writeFile(path, text)]))[0];
    const text = `0x${"07".repeat(32)}\n`;
    const loaded = await load(text);
    assert.equal(loaded.status === "fulfilled" && bytesToHex(loaded.value.secret), text.trim());
    const long = await load(text.padEnd(5_000, "x"));
    assert.equal(long.status === "rejected" && long.reason.code, "KEY_FILE_INVALID");
  });

  it("refuses what is missing and what is no key, without telling what it read", async () => {
    const path = join(folder, "node.key");
    await assert.rejects(loadKeyFile(path), { code: "KEY_FILE_MISSING" });
    for (const text of ["", "0x12", "0".repeat(64), "f".repeat(64), "secret words"]) {
      await writeFile(path, text, { mode: 0o600 });
      await assert.rejects(loadKeyFile(path), (error: Error & { code: string }) => {
        assert.equal(error.code, "KEY_FILE_INVALID");
        assert.ok(text === "" || !`${error.message}${error.stack}${String(error.cause)}`.includes(text));
        return true;
      });
    }
  });

  it("says of a file that is no key what it has, whoever may read it, and nothing of its modes", async () => {
    const path = join(folder, "node.key");
    const invalid = (said: RegExp) => (error: Error & { code: string }) => {
      assert.equal(error.code, "KEY_FILE_INVALID");
      assert.match(error.message, said);
      return true;
    };
    await writeFile(path, "");
    await assert.rejects(loadKeyFile(path), invalid(/is no node key: it is empty; wanted are 64 hex digits/));
    // A key stands at its head: what comes behind makes it another file.
    await writeFile(path, `0x${"07".repeat(32)}\n${"words ".repeat(1_000)}`, { mode: 0o644 });
    await assert.rejects(loadKeyFile(path), invalid(/is no node key: it has 6067 bytes/));
    await assert.rejects(loadKeyFile("/dev/zero"), invalid(/is no node key/));
  });

  it("is the libp2p identity too: the peer's public key has the node's address", () => {
    const key = createNodeKey(hexToBytes(`0x${"07".repeat(32)}`));
    const libp2p = toLibp2pKey(key);
    assert.equal(libp2p.publicKey.raw.length, 33);
    assert.equal(nativeStatements.addressOf(libp2p.publicKey.raw), key.address);
  });
});
