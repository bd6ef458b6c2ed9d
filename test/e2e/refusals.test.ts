import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createKeyFile } from "../../node/kernel/keys.ts";
import { readJson, writeJson } from "../../scripts/network/wallets.ts";
import { writePattern } from "../../transcoder/tools/media.ts";
import { PublishError, type PublishErrorDetail } from "../../transcoder/tools/publish-error.ts";
import { publish } from "../../transcoder/tools/publisher.ts";
import { assertPaid, assertWhole, range, settle } from "../support/e2e-facts.ts";
import { TestNetwork, testLadder } from "../support/e2e-network.ts";
import type { TestStream } from "../support/e2e-stream.ts";
import { judgeMaster } from "../support/hls-judge.ts";

const leat = join(import.meta.dirname, "../../node/cli/main.ts");
const up = join(import.meta.dirname, "../../scripts/network/main.ts");
const pattern = { width: 640, height: 360, fps: 30, durationS: 30 };
const ladder = testLadder.slice(0, 1);

describe("a network that refuses", function () {
  this.timeout(120_000);
  let network: TestNetwork;
  /** Goes on through all of it. */
  let stream: TestStream;
  let edge: string;
  let viewing: Promise<void>;
  let ladderFile: string;

  before(async () => {
    network = await TestNetwork.start();
    stream = await network.publish({ ladder, inputs: [{ pattern }], at: ["node-a"] });
    edge = (await stream.playback()).primary.hls;
    viewing = stream.view(edge);
    ladderFile = join(network.dataDir, "ladder.json");
    await writeJson(ladderFile, ladder);
  });

  after(() => network?.stop());

  it("tells a publisher that its stream key is wrong", async () => {
    const url = `rtmp://127.0.0.1:${network.place("node-a").rtmpPort}/live/${"k".repeat(43)}`;
    assert.deepEqual(await refusalOf(url), {
      code: "PUBLISH_REFUSED",
      status: "NetStream.Publish.Denied",
      description: "STREAM_KEY_UNKNOWN",
    });
  });

  it("tells a second publisher on a key that the first holds it, at every node", async () => {
    for (const url of stream.created.ingestUrls) {
      assert.deepEqual(await refusalOf(url), {
        code: "PUBLISH_REFUSED",
        status: "NetStream.Publish.BadName",
        description: "PUBLISH_LEASE_HELD",
      });
    }
  });

  it("tells a buyer without money that it is unfunded", async () => {
    const dir = join(network.dataDir, "poor");
    await mkdir(dir, { recursive: true });
    const keyFile = join(dir, "node.key");
    await createKeyFile(keyFile);
    const config = await configOf("buyer");
    const file = join(dir, "config.json");
    await writeJson(file, { ...config, node: { ...(config.node as object), keyFile, dataDir: dir } });
    const told = await run(leat, ["stream", "create", "--json", "--config", file, "--ladder", ladderFile]);
    assert.equal(told.exitCode, 1);
    assert.match(told.error, /BUYER_UNFUNDED/);
  });

  it("tells a buyer whose ceiling is below the price which one", async () => {
    const file = join(network.place("buyer").dir, "config.json");
    const args = ["--ladder", ladderFile, "--ceiling", "pixelH264=0.000000000001"];
    const told = await run(leat, ["stream", "create", "--json", "--config", file, ...args]);
    assert.equal(told.exitCode, 1);
    assert.match(told.error, /PRICE_ABOVE_CEILING/);
  });

  it("refuses to start a node with a setting that does not exist, and names the nearest", async () => {
    const config = await configOf("node-a");
    const file = join(network.dataDir, "typo.json");
    await writeJson(file, { ...config, http: { ...(config.http as object), prot: 1 } });
    const told = await run(leat, ["start", "--json", "--config", file]);
    assert.equal(told.exitCode, 1);
    assert.match(told.error, /^CONFIG_KEY_UNKNOWN: .*http\.prot.*http\.port/);
  });

  it("refuses to start a node or a network on a port that is busy, and names it", async () => {
    const config = await configOf("node-a");
    const dir = join(network.dataDir, "second");
    await mkdir(dir, { recursive: true });
    await createKeyFile(join(dir, "node.key"));
    const file = join(dir, "config.json");
    const { httpPort, rtmpPort } = network.place("node-a");
    const node = { ...(config.node as object), dataDir: dir, keyFile: join(dir, "node.key") };
    const wire = { ...(config.wire as object), listen: ["/ip4/127.0.0.1/tcp/0"] };
    await writeJson(file, { ...config, node, wire, rtmp: { port: 0 }, webrtc: { port: 0 }, srt: { port: 0 } });
    const byHttp = await run(leat, ["start", "--json", "--config", file]);
    assert.equal(byHttp.exitCode, 1);
    assert.match(byHttp.error, new RegExp(`^HTTP_PORT_BUSY: .*${httpPort}`));
    await writeJson(file, { ...config, node, wire, http: { port: 0 }, webrtc: { port: 0 }, srt: { port: 0 } });
    const byRtmp = await run(leat, ["start", "--json", "--config", file]);
    assert.equal(byRtmp.exitCode, 1);
    assert.match(byRtmp.error, new RegExp(`^RTMP_PORT_BUSY: .*${rtmpPort}`));
    const base = String(network.place("balancer").httpPort - 1);
    const data = join(network.dataDir, "other");
    const byUp = await run(up, ["--demo", "--json", "--data", data, "--port-base", base]);
    assert.equal(byUp.exitCode, 1);
    assert.match(byUp.error, new RegExp(`^UP_PORT_BUSY: .*${base}`));
  });

  it("says which program is missing and how it is installed", async () => {
    const input = join(network.dataDir, "short.flv");
    await writePattern(input, { width: 320, height: 180, fps: 15, durationS: 1 });
    const args = ["transcode", input, "--ladder", ladderFile, "--out", join(network.dataDir, "out")];
    const told = await run(leat, [...args, "--engine", "ffmpeg", "--json"], { PATH: network.dataDir });
    assert.equal(told.exitCode, 1);
    assert.match(told.error, /^TRANSCODE_PROGRAM_MISSING: .*ffmpeg.*apt-get install ffmpeg/);
  });

  it("plays, checks and pays the stream that ran meanwhile whole", async () => {
    const frames = pattern.fps * pattern.durationS;
    assert.equal((await stream.publisher.done).videoFrames, frames);
    await viewing;
    assertWhole(await judgeMaster(edge), ["360p"], range(0, frames));
    await settle(network, stream);
    await assertPaid(network);
    assert.deepEqual([...network.pids.keys()].sort(), ["balancer", "buyer", "chain", "node-a", "node-b", "node-c"]);
  });

  async function configOf(name: "buyer" | "node-a"): Promise<Record<string, unknown>> {
    return (await readJson(join(network.place(name).dir, "config.json"))) as Record<string, unknown>;
  }
});

async function refusalOf(url: string): Promise<PublishErrorDetail> {
  const publisher = publish({ url, inputs: [{ pattern: { ...pattern, durationS: 1 } }], reconnect: false });
  try {
    await publisher.done;
  } catch (error) {
    if (error instanceof PublishError) return error.detail;
    throw error;
  } finally {
    publisher.kill();
  }
  throw new Error("it was not refused");
}

/** Runs a program with --json to its end: its last line holds the error, as `CODE: message`. */
async function run(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [exitCode] = (await once(child, "close")) as [number | null];
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  const { error } = JSON.parse(last === "" ? "{}" : last) as { error?: { code: string; message: string } };
  return { exitCode, error: error === undefined ? "" : `${error.code}: ${error.message}` };
}
