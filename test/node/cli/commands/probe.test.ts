import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { knownEncoders } from "@leat/transcoder/encoders.ts";
import { root } from "../../../architecture/sources.ts";
import { GatewayServer } from "../../../support/gateway-server.ts";

const run = promisify(execFile);

describe("leat probe", function () {
  this.timeout(120_000);
  let folder = "";

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-probe-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const probe = (...args: string[]) => run(process.execPath, [join(root, "node/cli/main.ts"), "probe", ...args]);

  it("prints what each encoder does, and writes the same for others to read", async () => {
    const file = join(folder, "report.json");
    const { stdout } = await probe("--json", "--report", file);
    const report = JSON.parse(stdout);
    assert.deepEqual(JSON.parse(await readFile(file, "utf8")), report);
    assert.equal(report.format, "leat.probe.1");
    const encoders = report.encoders as { encoder: string; works: boolean }[];
    assert.deepEqual(
      encoders.map(({ encoder }) => encoder),
      knownEncoders.map(({ encoder }) => encoder),
    );
    assert.ok(encoders.find(({ encoder }) => encoder === "libx264")!.works);
    for (const own of [hostname(), root, folder]) assert.ok(!stdout.includes(own), own);
  });

  it("names a gateway as the engine, and says no where none is there", async () => {
    const file = join(folder, "gateway.json");
    const gateway = await GatewayServer.start();
    const there = ["--engine", "livepeer", "--gateway", gateway.url, "--report", file];
    const { stdout } = await probe(...there).finally(() => gateway.stop());
    assert.match(stdout, /livepeer\s+h264\s+gateway\s+yes/);
    const written = await readFile(file, "utf8");
    assert.equal(JSON.parse(written).engine, "livepeer");
    assert.ok(!written.includes("127.0.0.1"));
    const { stdout: away } = await probe("--engine", "livepeer", "--gateway", gateway.url);
    assert.match(away, /livepeer\s+h264\s+gateway\s+no .*TRANSCODE_GATEWAY_UNREACHABLE: reason=ECONNREFUSED/);
    await assert.rejects(probe("--engine", "livepeer"), (error: { stderr?: string }) =>
      /^TRANSCODE_GATEWAY_UNSET: /.test(error.stderr ?? ""),
    );
  });
});
