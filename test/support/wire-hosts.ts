import { randomBytes } from "node:crypto";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { createNodeKey, type NodeKey } from "@leat/node/kernel/keys.ts";
import { HostService, type WireOptions } from "@leat/node/wire/host.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";

export const loopback: WireOptions = {
  listen: ["/ip4/127.0.0.1/tcp/0"],
  announce: [],
  dht: "off",
  maxConnections: 100,
  inboundPerSecond: 1_000,
  allowColocation: true,
};

/** Real hosts on loopback for one test; `stopAll` belongs in afterEach. */
export class WireHosts {
  readonly #hosts: HostService[] = [];
  readonly #keys = new WeakMap<HostService, NodeKey>();

  create(options: Partial<WireOptions> = {}, key = createNodeKey(randomBytes(32))): HostService {
    const components = { key, logger: silentLogger, metrics: silentMetrics, clock: systemClock };
    const host = new HostService(components, { ...loopback, ...options });
    this.#hosts.push(host);
    this.#keys.set(host, key);
    return host;
  }

  keyOf(host: HostService): NodeKey {
    return this.#keys.get(host)!;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#hosts.splice(0).map((host) => host.stop()));
  }
}
