import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import type { Startable } from "../../node/kernel/lifecycle.ts";
import { AllottedDelegates } from "../../node/services/payment/delegates.ts";
import {
  type HelloFacts,
  type SessionClientComponents,
  SessionClientService,
} from "../../node/services/session/client.ts";
import {
  type NodePresence,
  type SessionHubComponents,
  type SessionHubOptions,
  SessionHubService,
} from "../../node/services/session/hub.ts";
import type { HostService, WireOptions } from "../../node/wire/host.ts";
import { MemoryChannelView } from "./channel-view.ts";
import { heartbeat, makeOffer, statements, tableMark, testCluster, testDomain, testHash } from "./session-fixtures.ts";
import { WireHosts } from "./wire-hosts.ts";

export const codeIs = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;
export const hubOptions: SessionHubOptions = { heartbeatMs: 100, missedHeartbeats: 10, maxSessions: 10 };

/** Hubs, clients and their hosts; each test has its own, which end with it. Sets itself up in the suite that calls it. */
export function useSessions() {
  const hosts = new WireHosts();
  const parts: Startable[] = [];
  const children: ChildProcess[] = [];
  const clusterAccount: Address = `0x${"cc".repeat(20)}`;
  const token: Address = `0x${"dd".repeat(20)}`;
  let chain: MemoryChannelView;

  beforeEach(() => {
    chain = new MemoryChannelView(0n);
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
    await Promise.all(parts.splice(0).map((part) => part.stop()));
    await hosts.stopAll();
  });

  function createHub(
    changes: Partial<SessionHubComponents> = {},
    options: Partial<SessionHubOptions> = {},
    host = hosts.create(),
  ): { hub: SessionHubService; host: HostService } {
    const key = hosts.keyOf(host);
    const hub = new SessionHubService(
      {
        host,
        statements,
        domain: testDomain,
        cluster: testCluster,
        admit: () => {},
        welcome: () => ({
          cluster: testCluster,
          clusterAccount,
          seedCommit: {
            value: { cluster: testCluster, epoch: 1n, anchor: testHash, length: 10 },
            signature: `0x${"00".repeat(65)}`,
          },
        }),
        markTable: () => tableMark,
        delegates: new AllottedDelegates({ chain, clock: systemClock, payee: clusterAccount, tokens: [token] }),
        clock: systemClock,
        logger: silentLogger,
        metrics: silentMetrics,
        ...changes,
      },
      { ...hubOptions, ...options },
    );
    assert.equal(key.address, host.address);
    parts.push(hub);
    return { hub, host };
  }

  async function startHub(
    changes: Partial<SessionHubComponents> = {},
    options: Partial<SessionHubOptions> = {},
    hostOptions: Partial<WireOptions> = {},
  ) {
    const made = createHub(changes, options, hosts.create(hostOptions));
    await made.host.start();
    await made.hub.start();
    return made;
  }

  async function createClient(
    balancers: readonly HostService[],
    changes: Partial<Omit<SessionClientComponents, "host">> = {},
    host = hosts.create(),
  ) {
    const offer = await makeOffer(hosts.keyOf(host));
    const hello: HelloFacts = { roles: ["transcode"], region: "eu-north", offer, jobs: [] };
    const client = new SessionClientService(
      {
        host,
        collectHello: () => hello,
        collectHeartbeat: () => heartbeat,
        clock: systemClock,
        logger: silentLogger,
        metrics: silentMetrics,
        ...changes,
      },
      {
        balancers: balancers.map((balancer) => ({ address: balancer.address, multiaddrs: balancer.multiaddrs() })),
        reconnectMinMs: 20,
        reconnectMaxMs: 50,
      },
    );
    parts.push(client);
    return { client, host, hello };
  }

  const joined = (hub: SessionHubService) => new Promise<NodePresence>((resolve) => hub.onJoined(resolve));
  const left = (hub: SessionHubService) => new Promise<NodePresence>((resolve) => hub.onLeft(resolve));
  const connected = (client: SessionClientService) =>
    new Promise<void>((resolve) => client.onConnected(() => resolve()));

  return {
    get chain() {
      return chain;
    },
    hosts,
    parts,
    children,
    clusterAccount,
    token,
    createHub,
    startHub,
    createClient,
    joined,
    left,
    connected,
  };
}
