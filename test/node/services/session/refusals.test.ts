import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { type Clock, systemClock } from "../../../../node/kernel/clock.ts";
import type { HelloFacts } from "../../../../node/services/session/client.ts";
import { SessionError } from "../../../../node/services/session/errors.ts";
import type { SessionHubComponents } from "../../../../node/services/session/hub.ts";
import { PublicError } from "../../../../node/wire/errors.ts";
import { dialSession, handleSessions, openBalancerSession } from "../../../../node/wire/session/session.ts";
import { heartbeat, makeOffer, tableMark, testCluster, testHash } from "../../../support/session-fixtures.ts";
import { codeIs, useSessions } from "../../../support/session-scene.ts";

describe("sessions, refused and ended", () => {
  const scene = useSessions();
  const { hosts, children, clusterAccount, startHub, createClient, joined, left, connected } = scene;

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

  it("do not end for a silence that the balancer was held up in itself", async () => {
    let aheadMs = 0;
    let sleeps = 0;
    const clock: Clock = {
      nowMs: () => systemClock.nowMs() + aheadMs,
      sleep: (ms, signal) => {
        sleeps += 1;
        return systemClock.sleep(ms, signal);
      },
    };
    const missedHeartbeats = 5;
    const { hub, host: balancer } = await startHub({ clock }, { missedHeartbeats });
    const [joining, leaving] = [joined(hub), left(hub)];
    const { client, host } = await createClient([balancer], { collectHeartbeat: () => new Promise(() => {}) });
    await host.start();
    await client.start();
    await joining;
    aheadMs = 3_600_000;
    sleeps = 0;
    await leaving;
    // Two of the hub's rounds each time: for the silent, and for agents.
    assert.ok(sleeps >= 2 * (missedHeartbeats - 1), `${sleeps}`);
  });

  it("hear the next heartbeat whether or not the last was answered", async () => {
    const { hub, host: balancer } = await startHub({}, { missedHeartbeats: 1_000 });
    const third = Promise.withResolvers<void>();
    let collected = 0;
    const { client, host } = await createClient([balancer], {
      collectHeartbeat: async () => {
        collected += 1;
        if (collected === 3) third.resolve();
        // As a machine without a moment to spare would: the first two are ready with the third.
        await third.promise;
        return heartbeat;
      },
    });
    await host.start();
    const beats = new Promise<void>((resolve) => {
      let heard = 0;
      hub.onHeartbeat(() => {
        heard += 1;
        if (heard === 3) resolve();
      });
    });
    await client.start();
    await beats;
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
