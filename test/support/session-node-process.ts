import { systemClock } from "@leat/node/kernel/clock.ts";
import { SessionClientService } from "@leat/node/services/session/client.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { heartbeat, makeOffer } from "./session-fixtures.ts";
import { WireHosts } from "./wire-hosts.ts";

/** A process of its own: a node in session with the balancer of its arguments (address, multiaddr). */
const [address, multiaddr] = process.argv.slice(2) as [string, string];
const hosts = new WireHosts();
const host = hosts.create();
const offer = await makeOffer(hosts.keyOf(host));
const client = new SessionClientService(
  {
    host,
    collectHello: () => ({ roles: ["transcode"], region: "eu-north", offer, jobs: [] }),
    collectHeartbeat: () => heartbeat,
    clock: systemClock,
    logger: silentLogger,
    metrics: silentMetrics,
  },
  { balancers: [{ address, multiaddrs: [multiaddr] }], reconnectMinMs: 20, reconnectMaxMs: 100 },
);
client.handle("stream.position", () => ({ sequence: 42 }));
await host.start();
await client.start();
process.on("disconnect", () => process.exit(1));
