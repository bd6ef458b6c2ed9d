import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const library = resolve(import.meta.dirname, "../../../scripts/lib/bootstrap.sh");

/** A checkout of nothing but the bootstrap, and a machine whose programs are what a test puts there. */
describe("scripts/bootstrap", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "leat-bootstrap-"));
    mkdirSync(join(folder, "bin"));
    mkdirSync(join(folder, "scripts/lib"), { recursive: true });
    cpSync(library, join(folder, "scripts/lib/bootstrap.sh"));
  });
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  function put(path: string, script: string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, path), 0o755);
  }

  function run(command: string) {
    const script = `set -euo pipefail; source "${folder}/scripts/lib/bootstrap.sh"; ${command}`;
    // The system's own folders come last and hold a Node perhaps: the test's stands before it.
    const env = { HOME: folder, PATH: `${join(folder, "bin")}:/usr/bin:/bin` };
    return spawnSync("bash", ["-c", script], { env, encoding: "utf8" });
  }

  it("takes a Node that runs the sources as they are, and no other", () => {
    for (const [version, right] of [
      ["v24.21.0", true],
      ["v26.0.0", true],
      ["v22.18.0", true],
      ["v22.17.1", false],
      ["v23.5.0", false],
      ["v23.6.0", true],
      ["v20.20.2", false],
      ["v8.1.0", false],
      ["nonsense", false],
    ] as const) {
      put("bin/node", `echo ${version}`);
      assert.equal(run("leat_node_is_right node").status === 0, right, version);
    }
  });

  it("brings Node 24 by npm where the machine's is too old, once, and puts it first", () => {
    const name = `node-${platform()}-${arch()}`;
    put("bin/node", "echo v20.1.0");
    const node = `.toolchain/node_modules/${name}/bin/node`;
    put(
      "bin/npm",
      `echo "$@" >>"${folder}/calls"; mkdir -p "${dirname(join(folder, node))}"; printf '#!/bin/sh\\necho v24.9.9\\n' >"${folder}/${node}"; chmod +x "${folder}/${node}"`,
    );
    for (const _ of ["first", "again"]) {
      const { stdout, status } = run('mkdir -p "$leat_toolchain"; leat_find_node; command -v node; node --version');
      assert.equal(status, 0);
      assert.equal(stdout, `${join(folder, node)}\nv24.9.9\n`);
    }
    const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
    assert.equal(calls.length, 1);
    assert.match(calls[0]!, new RegExp(`^install --prefix ${folder}/.toolchain .*${name}@24$`));
  });

  it("says whom it waits for while another command sets the checkout up, and goes on when that is done", async () => {
    const start = (command: string) => {
      const script = `set -euo pipefail; source "${folder}/scripts/lib/bootstrap.sh"; mkdir -p "$leat_toolchain"; ${command}`;
      const child = spawn("bash", ["--norc", "-c", script, "scripts/other"], { env: { PATH: "/usr/bin:/bin" } });
      children.push(child);
      return child;
    };
    const first = start("leat_lock; echo held; read -r _; leat_unlock; cat >/dev/null");
    const firstEnd = once(first, "exit");
    await once(first.stdout, "data");
    const second = start("leat_lock; echo mine; leat_unlock");
    const secondEnd = once(second, "exit");
    let said = "";
    second.stdout.on("data", (chunk) => (said += chunk));
    const [waiting] = await once(second.stderr, "data");
    assert.match(
      String(waiting),
      new RegExp(`Wait for scripts/other \\(process ${first.pid}\\): it sets this checkout up`),
    );
    assert.equal(said, "");
    first.stdin.write("go on\n");
    assert.deepEqual([(await secondEnd)[0], said], [0, "mine\n"]);
    first.stdin.end();
    await firstEnd;
  });

  it("shows the log and names it when a step fails", () => {
    const { status, stdout, stderr } = run(
      'mkdir -p "$leat_toolchain"; leat_quietly step sh -c "echo out; echo why >&2; exit 3"',
    );
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^out\nwhy\nFailed: sh .*step\.log/s);
  });

  it("follows the lockfile another way where npm ci calls it incomplete, and only then", () => {
    const options = "--no-fund --no-audit --no-update-notifier";
    for (const [words, wanted] of [
      ["npm error code EUSAGE", [`ci ${options}`, `install --no-save ${options}`]],
      ["npm error code ENOTFOUND", [`ci ${options}`]],
    ] as const) {
      rmSync(join(folder, "calls"), { force: true });
      put("bin/npm", `echo "$@" >>"${folder}/calls"; [ "$1" = ci ] || exit 0; echo "${words}"; exit 1`);
      const { status } = run('mkdir -p "$leat_toolchain"; leat_quietly install leat_npm_ci');
      assert.equal(status === 0, wanted.length === 2);
      assert.deepEqual(readFileSync(join(folder, "calls"), "utf8").trim().split("\n"), wanted);
    }
  });

  it("knows sources by their content, not by when they were written", () => {
    put("contracts/A.sol", "a");
    const hash = () => run("leat_hash_files contracts").stdout;
    const first = hash();
    assert.match(first, /^[0-9a-f]{64}\n$/);
    put("contracts/A.sol", "a");
    assert.equal(hash(), first);
    put("contracts/B.sol", "a");
    assert.notEqual(hash(), first);
    rmSync(join(folder, "contracts/B.sol"));
    put("contracts/dist/built", "x");
    assert.equal(hash(), first);
    assert.ok(!existsSync(join(folder, ".toolchain")));
  });
});
