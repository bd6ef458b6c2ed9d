import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

const main = resolve(import.meta.dirname, "../../../node/cli/main.ts");

async function leat(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env.PATH, ...env } });
  const [stdout, stderr, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { stdout, stderr, exitCode };
}

describe("cli/program", function () {
  // Each test starts programs, some ten in all.
  this.timeout(120_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-cli-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("lists its commands with --help", async () => {
    const { stdout, exitCode } = await leat(["--help"]);
    assert.equal(exitCode, 0);
    for (const name of ["keys", "config"]) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  });

  it("tells its version", async () => {
    const { stdout, exitCode } = await leat(["--version"]);
    const { version } = JSON.parse(await readFile(resolve(main, "../../package.json"), "utf8"));
    assert.deepEqual([stdout, exitCode], [`${version}\n`, 0]);
  });

  it("prints a long setting without pushing the others out", async () => {
    const many = Array.from({ length: 40 }, (_, at) => `/ip4/127.0.0.1/tcp/${4_460 + at}`).join(",");
    const { stdout } = await leat(["config", "print", "--wire.listen", many]);
    const lines = stdout.trimEnd().split("\n");
    assert.match(lines.find((line) => line.startsWith("http.port "))!, /^http\.port +8080 {2}\(default\)$/);
    const wide = lines.filter((line) => line.length > 120).map((line) => line.split(" ")[0]);
    assert.ok(wide.includes("wire.listen"));
    assert.ok(!wide.includes("http.port"));
  });

  it("tells a file's failure in words, with its facts for programs", async () => {
    const plain = await leat(["keys", "create", "--file", "/proc/leat.key"]);
    assert.equal(plain.exitCode, 1);
    assert.match(plain.stderr, /^KEY_FILE_UNWRITABLE: no node key can be written to \/proc\/leat\.key \([^\n]+\n$/);
    const json = await leat(["keys", "create", "--file", "/proc/leat.key", "--json"]);
    const { error } = JSON.parse(json.stdout);
    assert.deepEqual([error.code, error.path, error.reason], ["KEY_FILE_UNWRITABLE", "/proc/leat.key", "ENOENT"]);
  });

  it("tells in one coded line that its output cannot be written", async () => {
    const full = await open("/dev/full", "w");
    const say = (stdout: number | "pipe") => {
      const child = spawn(process.execPath, [main, "--version"], { stdio: ["ignore", stdout, "pipe"] });
      child.stdout?.destroy();
      return Promise.all([text(child.stderr!), once(child, "exit")]);
    };
    const told = await Promise.all([say(full.fd), say("pipe")]).finally(() => full.close());
    for (const [at, [stderr, [exitCode]]] of told.entries()) {
      const reason = ["the disk is full, ENOSPC", "whoever read it is gone, EPIPE"][at];
      assert.equal(exitCode, 1);
      assert.match(stderr, new RegExp(`^CLI_OUTPUT_UNWRITABLE: [^\n]*\\(${reason}\\); [^\n]+\n$`));
    }
  });

  it("answers misuse with one coded line", async () => {
    for (const args of [
      ["nonsense"],
      ["keys", "nonsense"],
      ["keys", "show", "--nonsense"],
      ["keys", "create", "--file", ""],
      ["--nonsense"],
      ["buyer", "status", "--cluster", "--config", "leat.json"],
    ]) {
      const { stdout, stderr, exitCode } = await leat(args);
      assert.deepEqual([exitCode, stdout], [1, ""], args.join(" "));
      assert.match(stderr, /^CLI_USAGE: .*\n$/s);
    }
    const { stdout, exitCode } = await leat(["nonsense", "--json"]);
    assert.equal(exitCode, 1);
    assert.equal(JSON.parse(stdout).error.code, "CLI_USAGE");
  });

  it("makes a key and shows it, without its secret", async () => {
    const file = join(folder, "node.key");
    const created = await leat(["keys", "create", "--file", file, "--json"]);
    const shown = await leat(["keys", "show", "--file", file, "--json"]);
    assert.deepEqual([created.exitCode, shown.exitCode], [0, 0]);
    assert.deepEqual(JSON.parse(shown.stdout), JSON.parse(created.stdout));
    assert.match(JSON.parse(shown.stdout).address, /^0x[0-9a-f]{40}$/);
    assert.match(JSON.parse(shown.stdout).peerId, /^16Uiu2/);
    const secret = (await readFile(file, "utf8")).trim().slice(2);
    const plain = await leat(["keys", "show", "--file", file]);
    assert.ok(!`${created.stdout}${shown.stdout}${plain.stdout}`.includes(secret));
  });

  it("tells a coded error as a line for people and an object for programs", async () => {
    const file = join(folder, "none.key");
    const plain = await leat(["keys", "show", "--file", file]);
    assert.deepEqual([plain.exitCode, plain.stdout], [1, ""]);
    assert.match(plain.stderr, /^KEY_FILE_MISSING: [^\n]+\n$/);
    const json = await leat(["keys", "show", "--file", file, "--json"]);
    assert.deepEqual([json.exitCode, json.stderr], [1, ""]);
    assert.equal(JSON.parse(json.stdout).error.code, "KEY_FILE_MISSING");
  });

  it("prints settings with their origin, and refuses what it does not know", async () => {
    const { stdout } = await leat(["config", "print", "--json", "--http.port", "9"], { LEAT_LOG_LEVEL: "warn" });
    const rows = JSON.parse(stdout).settings as { key: string }[];
    const row = (key: string) => rows.find((one) => one.key === key);
    assert.deepEqual(row("http.port"), { key: "http.port", value: 9, origin: "--http.port" });
    assert.deepEqual(row("log.level"), { key: "log.level", value: "warn", origin: "LEAT_LOG_LEVEL" });
    const refused = await leat(["config", "print", "--http.prot", "9"]);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /^CONFIG_KEY_UNKNOWN: .*--http\.port/);
    assert.match((await leat(["config", "print", "9"])).stderr, /^CONFIG_WORD_EXCESS: nothing takes "9"; /);
    assert.match(
      (await leat(["config", "print"], { LEAT_HTTP_PROT: "9" })).stderr,
      /^CONFIG_KEY_UNKNOWN: .*LEAT_HTTP_PORT/,
    );
  });
});
