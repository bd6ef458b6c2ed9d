import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectChain } from "@leat/node/chain/clients.ts";
import { RegistryView } from "@leat/node/chain/registry-view.ts";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { LevelCheckpointStore } from "@leat/node/store/checkpoints.ts";
import { Database } from "@leat/node/store/database.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type AnvilChain, openAnvil } from "../../test/support/anvil-chain.ts";
import type { BenchCase } from "./case.ts";
import { joinMany, STAKE } from "./support/join-many.ts";

const OPERATORS = 1_000;
const CONFIRMED_DEPTH = 2;
/** More than the view keeps apart, so that what it writes down holds every operator. */
const BLOCKS_ON_TOP = 300;
const BLOCKS_AT_ONCE = 10;

/**
 * From nothing to a view of everybody: `ms` for a start that reads all events and stakes of 1,000 operators from anvil,
 * `resumedMs` for one that finds on disk what an earlier one folded. Setting up the chain is not in it.
 */
export const run: BenchCase = async ({ log, signal }) => {
  const folder = await mkdtemp(join(tmpdir(), "leat-bench-"));
  let chain: AnvilChain | undefined;
  let database: Database | undefined;
  try {
    chain = await openAnvil({ thawSeconds: 604_800n });
    log(`${OPERATORS} operators join`);
    await joinMany(chain, OPERATORS, signal);
    for (let mined = 0; mined < BLOCKS_ON_TOP; mined += BLOCKS_AT_ONCE) await chain.mine(BLOCKS_AT_ONCE);
    database = await Database.open(join(folder, "store"));
    const facts = new LevelCheckpointStore(database);
    log("start from nothing");
    const ms = await measureStart(chain, facts);
    log("start again");
    const resumedMs = await measureStart(chain, facts);
    const rows = [
      { start: "from nothing", operators: OPERATORS, ms },
      { start: "again", operators: OPERATORS, ms: resumedMs },
    ];
    return { rows, json: { operators: OPERATORS, ms, resumedMs } };
  } finally {
    await database?.close();
    await chain?.close();
    await rm(folder, { recursive: true, force: true });
  }
};

async function measureStart({ rpcUrl, deployment }: AnvilChain, facts: LevelCheckpointStore): Promise<number> {
  const options = { rpcUrls: [rpcUrl], confirmedDepth: CONFIRMED_DEPTH, pollMs: 1_000, callTimeoutMs: 10_000 };
  const begun = performance.now();
  const { publicClient } = await connectChain(options, deployment.chainId);
  const components = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
  const view = new RegistryView({ publicClient, deployment, facts, ...components }, options);
  await view.start();
  const ms = Math.round(performance.now() - begun);
  const whole = view.operators().filter(({ stake, nodes }) => stake === STAKE && nodes.size === 1).length;
  await view.stop();
  if (whole !== OPERATORS) throw new Error(`The view shows ${whole} operators with stake and node, not ${OPERATORS}.`);
  return ms;
}
