import { cp, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestNetwork } from "../../../test/support/e2e-network.ts";
import { nodeFlags } from "../../lib/node-flags.ts";
import { leatProgram } from "../../network/local-network.ts";
import type { BenchOptions } from "../case.ts";

/** Works with a network of its own. Where that fails, what its nodes logged is kept and named. */
export async function withNetwork<T>(
  log: BenchOptions["log"],
  adjust: NonNullable<Parameters<typeof TestNetwork.start>[0]>["adjust"],
  work: (network: TestNetwork) => Promise<T>,
): Promise<T> {
  log("start a network");
  // As an operator's run: those of a network of tests have less memory.
  const programOf = () => [...nodeFlags, leatProgram, "start"];
  const network = await TestNetwork.start({ programOf, ...(adjust !== undefined && { adjust }) });
  try {
    return await work(network);
  } catch (error) {
    const kept = await mkdtemp(join(tmpdir(), "leat-bench-logs-"));
    await cp(join(network.dataDir, "logs"), kept, { recursive: true });
    log(`it failed; what its nodes logged is in ${kept}`);
    throw error;
  } finally {
    await network.stop();
  }
}
