import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTreeStats } from "@leat/node/kernel/process-load.ts";
import {
  type Figure,
  figures,
  type NodeSample,
  probeFlags,
  sampleNode,
} from "../../../scripts/benchmarks/support/soak/node-samples.ts";
import { until } from "../../support/publish-items.ts";

/** What must be seen to rise, at the least; megabytes and numbers. */
const RISE: Readonly<Record<Figure, number>> = {
  heldMb: 5,
  nativeMb: 20,
  residentMb: 25,
  descriptors: 15,
  processes: 3,
};
/** A node's program that does nothing. */
const IDLE = "process.stdout.write('up'); setInterval(() => {}, 1_000)";
/** One that lets go of all that it holds, in bursts of which each is larger than the one before, up to 150 MB. */
const BURSTS = `process.stdout.write("up");
let pieces = 0;
setInterval(() => {
  pieces = Math.min(pieces + 100, 4_000);
  Array.from({ length: pieces }, () => [Buffer.alloc(30_000, 1), Array(1_000).fill(pieces)]);
}, 20)`;
/** How much its resident memory rises meanwhile. */
const BURST_MB = 100;
const MOST_SAMPLES = 60;

describe("the leak that a soak must find", () => {
  it("is counted in every figure, and its processes end with a node that is killed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "leat-leaks-"));
    const leak = new URL("../../support/leaks.ts?everyMs=10", import.meta.url).href;
    const flags = [...probeFlags(folder), "--import", leak, "--eval", IDLE];
    const node = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(node.stdout, "data");
      const first = await sampleNode(node.pid!, folder, 0);
      let last: NodeSample = first;
      // Not all at one moment: a sample reads one figure after the other, and the leak goes on meanwhile.
      while (!figures.every((figure) => last[figure] >= first[figure] + RISE[figure]))
        last = await sampleNode(node.pid!, folder, 0);
      const children = (await readTreeStats(node.pid!)).map(({ pid }) => pid).filter((pid) => pid !== node.pid);
      const exited = once(node, "exit");
      node.kill("SIGKILL");
      await exited;
      await until(() => children.every((pid) => !existsSync(`/proc/${pid}`)));
    } finally {
      node.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("is none where bursts grow, though resident memory does", async () => {
    const folder = await mkdtemp(join(tmpdir(), "leat-bursts-"));
    const node = spawn(process.execPath, [...probeFlags(folder), "--eval", BURSTS], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(node.stdout, "data");
      const first = await sampleNode(node.pid!, folder, 0);
      let last: NodeSample = first;
      const rise = (figure: "heldMb" | "nativeMb" | "residentMb") => last[figure] - first[figure];
      for (let left = MOST_SAMPLES; left > 0 && rise("residentMb") < BURST_MB; left -= 1)
        last = await sampleNode(node.pid!, folder, 0);
      const told = JSON.stringify([first, last]);
      assert.ok(rise("residentMb") >= BURST_MB, told);
      assert.ok(rise("heldMb") < BURST_MB / 10 && rise("nativeMb") < BURST_MB / 10, told);
    } finally {
      node.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    }
  });
});
