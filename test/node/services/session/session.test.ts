import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { ChainError } from "../../../../node/chain/errors.ts";
import { type Clock, systemClock } from "../../../../node/kernel/clock.ts";
import type { Startable } from "../../../../node/kernel/lifecycle.ts";
import { AllottedDelegates } from "../../../../node/services/payment/delegates.ts";
import {
  type HelloFacts,
  type SessionClientComponents,
  SessionClientService,
} from "../../../../node/services/session/client.ts";
import { SessionError } from "../../../../node/services/session/errors.ts";
import {
  type NodePresence,
  type SessionHubComponents,
  type SessionHubOptions,
  SessionHubService,
} from "../../../../node/services/session/hub.ts";
import { PublicError } from "../../../../node/wire/errors.ts";
import type { HostService, WireOptions } from "../../../../node/wire/host.ts";
import { dialSession, handleSessions, openBalancerSession } from "../../../../node/wire/session/session.ts";
import { MemoryChannelView } from "../../../support/channel-view.ts";
import {
  heartbeat,
  makeOffer,
  statements,
  tableMark,
  testCluster,
  testDomain,
  testHash,
} from "../../../support/session-fixtures.ts";
import { WireHosts } from "../../../support/wire-hosts.ts";

const codeIs = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;
const hubOptions: SessionHubOptions = { heartbeatMs: 100, missedHeartbeats: 10, maxSessions: 10 };

describe("sessions", () => {
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

  it("stand after a hello, and carry calls both ways", async () => {
    const { hub, host: balancer } = await startHub();
    hub.handle("job.done", (from, body) => {
      assert.equal(from, host.address);
      assert.deepEqual(body, { job: testHash, attempt: 3 });
      return {};
    });
    const { client, host } = await createClient([balancer]);
    client.handle("stream.position", (body, from) => {
      assert.equal(from, balancer.address);
      assert.deepEqual(body, { stream: testHash });
      return { sequence: 7 };
    });
    const joining = joined(hub);
    const connecting = connected(client);
    await host.start();
    await client.start();
    const presence = await joining;
    await connecting;
    assert.equal(presence.node, host.address);
    assert.deepEqual(presence.hello.multiaddrs, host.multiaddrs());
    assert.equal(client.connected, true);
    assert.equal(client.balancers[0]!.welcome.balancer, balancer.address);
    assert.deepEqual(await client.call("job.done", { job: testHash, attempt: 3 }), {});
    assert.deepEqual(await hub.call(host.address, "stream.position", { stream: testHash }), { sequence: 7 });
    await assert.rejects(client.call("candidate.leaf", { tableRoot: testHash }), codeIs("METHOD_UNKNOWN"));
    await assert.rejects(
      hub.call(host.address, "job.end", { job: testHash, attempt: 1, code: "STREAM_ENDED" }),
      codeIs("METHOD_UNKNOWN"),
    );
    await assert.rejects(
      hub.call(balancer.address, "stream.position", { stream: testHash }),
      codeIs("SESSION_NODE_ABSENT"),
    );
  });

  it("keep a heartbeat, and tell the node of the newest table", async () => {
    const { hub, host: balancer } = await startHub();
    const beat = new Promise<NodePresence>((resolve) => {
      let count = 0;
      hub.onHeartbeat((presence) => {
        count += 1;
        if (count === 3) resolve(presence);
      });
    });
    const { client, host } = await createClient([balancer]);
    await host.start();
    await client.start();
    const presence = await beat;
    assert.equal(presence.heartbeat?.load, heartbeat.load);
    assert.ok((presence.heartbeatAtMs ?? 0) >= presence.joinedAtMs);
    assert.equal(hub.nodes.get(host.address), presence);
    assert.deepEqual(client.balancers[0]?.tableMark, tableMark);
  });

  it("come back after the balancer did, with the jobs of that moment", async () => {
    const port = { listen: ["/ip4/127.0.0.1/tcp/0"] };
    const first = await startHub({}, {}, port);
    const key = hosts.keyOf(first.host);
    let dials = 0;
    const { client, host, hello } = await createClient([first.host], {
      collectHello: () => {
        dials += 1;
        return {
          ...hello,
          jobs: [{ job: testHash, attempt: dials, primitive: "transcode", stream: testHash, sequence: 1 }],
        };
      },
    });
    await host.start();
    const connecting = connected(client);
    await client.start();
    await connecting;
    const losing = new Promise<unknown>((resolve) => client.onDisconnected(resolve));
    const listen = first.host.node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, ""));
    await first.hub.stop();
    await first.host.stop();
    assert.equal(await losing, first.host.address);
    assert.equal(client.connected, false);
    await assert.rejects(client.call("job.done", { job: testHash, attempt: 1 }), codeIs("SESSION_NOT_CONNECTED"));
    const second = createHub({}, {}, hosts.create({ listen }, key));
    const joining = joined(second.hub);
    await second.host.start();
    await second.hub.start();
    const presence = await joining;
    assert.ok(presence.hello.jobs[0]!.attempt > 1);
  });

  it("stand for the account that an agent acts for, while that allots it a channel", async () => {
    const { hub, host: balancer } = await startHub();
    const cold: Address = `0x${"c0".repeat(20)}`;
    const channel = hubChannel(cold, clusterAccount, token);
    const nowSeconds = BigInt(Math.floor(Date.now() / 1_000));
    const agent = hosts.create();
    const hello: HelloFacts = { roles: ["buyer"], account: cold, region: "eu-north", jobs: [] };
    const { client } = await createClient([balancer], { collectHello: () => hello }, agent);
    const refusal = async (facts: HelloFacts) => {
      const contact = { address: balancer.address, multiaddrs: balancer.multiaddrs() };
      const components = { logger: silentLogger, scores: agent.scores };
      const session = await dialSession(agent, contact, async () => ({}), components, new AbortController().signal);
      const full = { version: 1, node: agent.address, multiaddrs: [], ...facts };
      const refused = await session.call("hello", full).catch((error: CodedError<{ code: string }>) => error.code);
      await session.close();
      return refused;
    };
    await agent.start();
    assert.equal(await refusal(hello), "SESSION_ACCOUNT_NOT_ALLOTTED");
    chain.allot(channel, agent.address, { cap: 5n, validUntil: nowSeconds - 1n });
    assert.equal(await refusal(hello), "SESSION_ACCOUNT_ENDED");
    chain.allot(channel, agent.address, { cap: 5n, validUntil: nowSeconds + 3_600n });
    const offer = await makeOffer(hosts.keyOf(agent));
    assert.equal(await refusal({ ...hello, roles: ["buyer", "transcode"], offer }), "SESSION_ACCOUNT_UNWANTED");

    hub.handle("job.done", (from) => {
      assert.equal(from, cold);
      return {};
    });
    client.handle("stream.position", () => ({ sequence: 9 }));
    const joining = joined(hub);
    const connecting = connected(client);
    await client.start();
    const presence = await joining;
    await connecting;
    assert.deepEqual([presence.node, presence.hello.node], [cold, agent.address]);
    assert.equal(hub.nodes.has(agent.address), false);
    assert.deepEqual(await hub.call(cold, "stream.position", { stream: testHash }), { sequence: 9 });
    assert.deepEqual(await client.call("job.done", { job: testHash, attempt: 1 }), {});

    // Revoked on chain: it speaks for the account no longer, and is not let in again.
    const leaving = left(hub);
    chain.allot(channel, agent.address, { cap: 5n, validUntil: nowSeconds });
    assert.equal((await leaving).node, cold);
    assert.equal(hub.nodes.has(cold), false);
    assert.equal(await refusal(hello), "SESSION_ACCOUNT_ENDED");
  });

  it("outlive a chain that does not answer, which keeps nobody else's revoked agent in session", async () => {
    const unread: Address = `0x${"c1".repeat(20)}`;
    const ended: Address = `0x${"c2".repeat(20)}`;
    let isGreeting = true;
    const read = async (account: Address) => {
      if (isGreeting) return "stands";
      if (account === ended) return "ended";
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method: "eth_call", reason: "timeout" });
    };
    const { hub, host: balancer } = await startHub({ delegates: { standingOf: read } });
    for (const account of [unread, ended]) {
      const hello: HelloFacts = { roles: ["buyer"], account, region: "eu-north", jobs: [] };
      const { client, host } = await createClient([balancer], { collectHello: () => hello });
      const joining = joined(hub);
      await host.start();
      await client.start();
      await joining;
    }
    const leaving = left(hub);
    isGreeting = false;
    assert.equal((await leaving).node, ended);
    assert.equal(hub.nodes.has(unread), true);
  });

  it("replace the older session of the same node, which never left", async () => {
    const { hub, host: balancer } = await startHub();
    let leaving = 0;
    hub.onLeft(() => {
      leaving += 1;
    });
    const node = hosts.create();
    await node.start();
    const offer = await makeOffer(hosts.keyOf(node));
    const greet = async (sequence: number) => {
      const contact = { address: balancer.address, multiaddrs: balancer.multiaddrs() };
      const components = { logger: silentLogger, scores: node.scores };
      const answer = async () => ({ sequence });
      const session = await dialSession(node, contact, answer, components, new AbortController().signal);
      const joining = joined(hub);
      const facts = { version: 1, node: node.address, multiaddrs: node.multiaddrs(), region: "eu", offer, jobs: [] };
      await session.call("hello", { ...facts, roles: ["transcode"] });
      await joining;
      return session;
    };
    const older = await greet(1);
    const newer = await greet(2);
    assert.ok(codeIs("WIRE_STREAM_RESET")(await older.ended));
    assert.deepEqual(await hub.call(node.address, "stream.position", { stream: testHash }), { sequence: 2 });
    assert.equal(hub.nodes.size, 1);
    assert.equal(leaving, 0);
    await Promise.all([hub.stop(), newer.ended]);
    assert.equal(leaving, 1);
  });

  it("stand with several balancers at once", async () => {
    const hubs = await Promise.all([startHub(), startHub()]);
    const { client, host } = await createClient(hubs.map((made) => made.host));
    for (const { hub } of hubs) hub.handle("job.done", () => ({}));
    const both = new Promise<void>((resolve) => {
      client.onConnected(() => {
        if (client.balancers.length === 2) resolve();
      });
    });
    await host.start();
    await client.start();
    await both;
    await client.call("job.done", { job: testHash, attempt: 1 }, { balancer: hubs[1]!.host.address });
    assert.deepEqual(
      client.balancers.map(({ balancer }) => balancer),
      hubs.map((made) => made.host.address),
    );
  });

  it("are refused without membership, a right offer, or room", async () => {
    class Refusal extends CodedError<{ code: "CLUSTER_MEMBER_UNKNOWN" }> {}
    const cases: [string, Partial<SessionHubComponents>, (hello: HelloFacts, other: HelloFacts) => HelloFacts][] = [
      [
        "CLUSTER_MEMBER_UNKNOWN",
        {
          admit: () => {
            throw new Refusal({ code: "CLUSTER_MEMBER_UNKNOWN" });
          },
        },
        (hello) => hello,
      ],
      ["SESSION_OFFER_MISSING", {}, (hello) => ({ ...hello, offer: undefined })],
      ["SESSION_OFFER_WRONG", { cluster: 6n }, (hello) => hello],
      ["SESSION_OFFER_WRONG", {}, (_hello, other) => other],
      [
        "SESSION_OFFER_INVALID",
        {},
        (hello) => ({ ...hello, offer: { ...hello.offer!, body: { ...hello.offer!.body, sequence: 9n } } }),
      ],
      [
        "SESSION_OFFER_INVALID",
        {},
        (hello) => ({ ...hello, offer: { ...hello.offer!, body: { ...hello.offer!.body, validUntil: 9n } } }),
      ],
    ];
    for (const [code, changes, change] of cases) {
      const { host: balancer } = await startHub(changes);
      const other = await createClient([balancer]);
      const failed = Promise.withResolvers<unknown>();
      const made = await createClient([balancer], {
        collectHello: () => change(made.hello, other.hello),
        logger: { ...silentLogger, warn: (_message, fields) => failed.resolve(fields?.error) },
      });
      await made.host.start();
      await made.client.start();
      assert.ok(codeIs(code)(await failed.promise), code);
      assert.equal(made.client.connected, false);
      await made.client.stop();
    }
  });

  it("stand with a node whose clock is ten minutes off, and not with one that is twenty", async () => {
    const clockOff = (ms: number) => ({ ...systemClock, nowMs: () => systemClock.nowMs() + ms });
    for (const skewMs of [600_000, -600_000, 1_200_000, -1_200_000]) {
      const { hub, host: balancer } = await startHub();
      const told = Promise.withResolvers<Readonly<Record<string, unknown>>>();
      const { client, host, hello } = await createClient([balancer], {
        clock: clockOff(skewMs),
        collectHello: async () => ({ ...hello, offer: await offerBy(clockOff(skewMs)) }),
        logger: { ...silentLogger, warn: (_message, fields) => told.resolve(fields!) },
      });
      const offerBy = async (clock: Clock) =>
        makeOffer(hosts.keyOf(host), { validUntil: BigInt(Math.floor(clock.nowMs() / 1_000) + 60) });
      const connecting = connected(client);
      await host.start();
      await client.start();
      const facts = await told.promise;
      if (Math.abs(skewMs) < 900_000) {
        await connecting;
        assert.equal(Math.round(Number(facts.aheadMs) / 60_000), skewMs / 60_000);
      } else {
        assert.ok(facts.error instanceof SessionError && facts.error.detail.code === "SESSION_CLOCK_WRONG");
        assert.equal(Math.round(facts.error.detail.aheadMs / 60_000), skewMs / 60_000);
        assert.equal(hub.nodes.size, 0);
      }
      await client.stop();
    }
  });

  it("stand with a balancer of a version that tells no time", async () => {
    const balancer = hosts.create();
    handleSessions(balancer, (stream) => {
      openBalancerSession(stream, oldBalancer, { logger: silentLogger, scores: balancer.scores });
    });
    const oldBalancer = async (method: string) => {
      if (method === "heartbeat") return tableMark;
      if (method !== "hello") throw new PublicError({ code: "METHOD_UNKNOWN" });
      const seedCommit = { value: { cluster: testCluster, epoch: 1n, anchor: testHash, length: 10 }, signature };
      return { cluster: testCluster, clusterAccount, balancer: balancer.address, heartbeatMs: 100, seedCommit };
    };
    const signature = `0x${"00".repeat(65)}` as const;
    await balancer.start();
    const { client, host } = await createClient([balancer]);
    const connecting = connected(client);
    await host.start();
    await client.start();
    await connecting;
  });

  it("do nothing before the hello", async () => {
    const { hub, host: balancer } = await startHub();
    hub.handle("job.done", () => assert.fail("not greeted"));
    const node = hosts.create();
    await node.start();
    const contact = { address: balancer.address, multiaddrs: balancer.multiaddrs() };
    const components = { logger: silentLogger, scores: node.scores };
    const session = await dialSession(node, contact, async () => ({}), components, new AbortController().signal);
    await assert.rejects(session.call("job.done", { job: testHash, attempt: 1 }), codeIs("SESSION_HELLO_MISSING"));
    const offer = await makeOffer(hosts.keyOf(balancer));
    const hello = { version: 1, node: balancer.address, roles: [], multiaddrs: [], region: "eu", offer, jobs: [] };
    await assert.rejects(session.call("hello", hello), codeIs("SESSION_NODE_WRONG"));
    await session.close();
  });

  it("are limited in number", async () => {
    const { hub, host: balancer } = await startHub({}, { maxSessions: 1 });
    const first = await createClient([balancer]);
    const joining = joined(hub);
    await first.host.start();
    await first.client.start();
    await joining;
    const failed = Promise.withResolvers<void>();
    const second = await createClient([balancer], { logger: { ...silentLogger, warn: () => failed.resolve() } });
    await second.host.start();
    await second.client.start();
    await failed.promise;
    assert.equal(second.client.connected, false);
    assert.equal(hub.nodes.size, 1);
  });

  it("end for a node that falls silent", async () => {
    const { hub, host: balancer } = await startHub({}, { missedHeartbeats: 2 });
    const leaving = left(hub);
    const { client, host } = await createClient([balancer], { collectHeartbeat: () => new Promise(() => {}) });
    await host.start();
    await client.start();
    assert.equal((await leaving).node, host.address);
  });

  it("end promptly when the node's process is killed", async () => {
    const { hub, host: balancer } = await startHub();
    const joining = joined(hub);
    const script = new URL("../../../support/session-node-process.ts", import.meta.url);
    const child = fork(script, [balancer.address, balancer.multiaddrs()[0]!]);
    children.push(child);
    const { node } = await joining;
    assert.deepEqual(await hub.call(node, "stream.position", { stream: testHash }), { sequence: 42 });
    const leaving = left(hub);
    child.kill("SIGKILL");
    assert.equal((await leaving).node, node);
    await assert.rejects(hub.call(node, "stream.position", { stream: testHash }), codeIs("SESSION_NODE_ABSENT"));
  });
});
