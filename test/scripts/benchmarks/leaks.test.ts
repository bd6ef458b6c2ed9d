import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTreeStats } from "@leat/node/kernel/process-load.ts";
import { type NodeSample, probeFlags, sampleNode } from "../../../scripts/benchmarks/support/soak/node-samples.ts";
import { until } from "../../support/publish-items.ts";

/** A node's program that does nothing. */
const IDLE = "process.stdout.write('up'); setInterval(() => {}, 1_000)";

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
      while (last.processes < first.processes + 3) last = await sampleNode(node.pid!, folder, 0);
      assert.ok(last.descriptors >= first.descriptors + 3 * 5, `${first.descriptors} to ${last.descriptors}`);
      assert.ok(last.heldMb > first.heldMb + 5 && last.residentMb > first.residentMb);
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
});
