import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { EncoderReport } from "@leat/transcoder/probe.ts";
import { describeMachine, rememberProbe } from "@leat/transcoder/remembered-probe.ts";

const DAY_MS = 24 * 3_600_000;
const reports: readonly EncoderReport[] = [
  { codec: "h264", encoder: "libx264", works: true, pixelsPerSecond: 7 },
  { codec: "h264", encoder: "h264_qsv", works: false, pixelsPerSecond: 0, reason: "no device" },
];

describe("transcoder/remembered-probe", () => {
  let folder = "";
  let file = "";
  let probes = 0;
  const on = { nowMs: 1_000_000, machine: "one", reports };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-probe-"));
    file = join(folder, "node", "encoders.json");
    probes = 0;
    Object.assign(on, { nowMs: 1_000_000, machine: "one", reports });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const remembered = () =>
    rememberProbe(
      async () => {
        probes += 1;
        return on.reports;
      },
      file,
      { nowMs: () => on.nowMs, machine: () => on.machine },
    );

  it("asks the machine once, and its file at the next start", async () => {
    assert.deepEqual(await remembered()({ engine: "node-av" }), reports);
    assert.deepEqual(await remembered()({ engine: "node-av" }), reports);
    assert.equal(probes, 1);
    assert.deepEqual(await readdir(join(folder, "node")), ["encoders.json"]);
  });

  it("asks again where the machine is another, after a week, and where the clock went back", async () => {
    await remembered()({ engine: "node-av" });
    on.machine = "two";
    await remembered()({ engine: "node-av" });
    assert.equal(probes, 2);
    on.nowMs += 7 * DAY_MS;
    await remembered()({ engine: "node-av" });
    assert.equal(probes, 3);
    on.nowMs -= 1;
    await remembered()({ engine: "node-av" });
    assert.equal(probes, 4);
  });

  it("asks again where the file is broken, says what no probe says, or cannot be written", async () => {
    await mkdir(join(folder, "node"));
    const held = { machine: "one", atMs: on.nowMs };
    for (const text of [
      "",
      "{",
      "null",
      JSON.stringify({ ...held, reports: {} }),
      JSON.stringify({ ...held, reports: [{ ...reports[0], encoder: "magic" }] }),
      JSON.stringify({ ...held, reports: [{ ...reports[0], pixelsPerSecond: "7" }] }),
    ]) {
      await writeFile(file, text);
      probes = 0;
      assert.deepEqual(await remembered()({ engine: "node-av" }), reports, text);
      assert.equal(probes, 1, text);
    }
    file = join(file, "below-a-file", "encoders.json");
    assert.deepEqual(await remembered()({ engine: "node-av" }), reports);
  });

  it("keeps nothing of the program, nor where nothing works", async () => {
    for (const engine of ["ffmpeg", "ffmpeg", "node-av", "node-av"] as const) {
      if (engine === "node-av") on.reports = [reports[1]!];
      await remembered()({ engine });
    }
    assert.equal(probes, 4);
  });

  it("describes this machine the same way each time, without naming it", async () => {
    assert.equal(describeMachine(), describeMachine());
    assert.match(describeMachine(), /^[0-9a-f]{64}$/);
    await rememberProbe(async () => reports, file, { nowMs: () => 1 })({ engine: "node-av" });
    assert.ok(!(await readFile(file, "utf8")).includes(hostname()));
  });
});
