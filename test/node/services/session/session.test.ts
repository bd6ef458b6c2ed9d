import assert from "node:assert/strict";
import type { CodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { ChainError } from "../../../../node/chain/errors.ts";
import type { HelloFacts } from "../../../../node/services/session/client.ts";
import type { NodePresence } from "../../../../node/services/session/hub.ts";
import { dialSession } from "../../../../node/wire/session/session.ts";
import { heartbeat, makeOffer, tableMark, testHash } from "../../../support/session-fixtures.ts";
import { codeIs, useSessions } from "../../../support/session-scene.ts";

describe("sessions", () => {
  const scene = useSessions();
  const { hosts, clusterAccount, token, createHub, startHub, createClient, joined, left, connected } = scene;

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

  it("begin when all listen who must hear of nodes, however early a node dials", async () => {
    const made = createHub({}, {}, hosts.create());
    await made.host.start();
    const dialed = Promise.withResolvers<void>();
    const { client, host, hello } = await createClient([made.host], {
      collectHello: () => {
        dialed.resolve();
        return hello;
      },
    });
    const open = connected(client);
    await host.start();
    await client.start();
    await dialed.promise;
    // Long enough for an answer, where one came.
    for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(made.hub.nodes.size, 0);
    const heard = joined(made.hub);
    await made.hub.start();
    await open;
    assert.deepEqual([...made.hub.nodes.keys()], [(await heard).node]);
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
    scene.chain.allot(channel, agent.address, { cap: 5n, validUntil: nowSeconds - 1n });
    assert.equal(await refusal(hello), "SESSION_ACCOUNT_ENDED");
    scene.chain.allot(channel, agent.address, { cap: 5n, validUntil: nowSeconds + 3_600n });
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
    scene.chain.allot(channel, agent.address, { cap: 5n, validUntil: nowSeconds });
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
});
