import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Labels, MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { MAX_OFFER_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { SignedOffer } from "@leat/sdk/protocol/offer-body.ts";
import { createNodeKey } from "../../../../node/kernel/keys.ts";
import { encodeValue } from "../../../../node/wire/cbor.ts";
import { MIN_PUBLISH_MS, OfferGossip } from "../../../../node/wire/gossip/offers.ts";
import { PeerRates } from "../../../../node/wire/gossip/peer-rates.ts";
import { OFFERS_TOPIC } from "../../../../node/wire/gossip/topics.ts";
import type { HostService } from "../../../../node/wire/host.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { makeOffer, statements, testCluster, testDomain } from "../../../support/session-fixtures.ts";
import { WireHosts } from "../../../support/wire-hosts.ts";

describe("offers by gossip", () => {
  const hosts = new WireHosts();
  const gossips: OfferGossip[] = [];
  afterEach(async () => {
    await Promise.all(gossips.splice(0).map((gossip) => gossip.stop()));
    await hosts.stopAll();
  });

  class Node {
    readonly clock = new ManualClock(Date.now());
    readonly host = hosts.create();
    readonly key = hosts.keyOf(this.host);
    readonly refusals: string[] = [];
    #onRefusal: (() => void) | undefined;
    readonly offers = new OfferGossip({
      host: this.host,
      statements,
      domain: testDomain,
      clock: this.clock,
      logger: silentLogger,
      metrics: this.#metrics(),
    });

    async start(): Promise<this> {
      gossips.push(this.offers);
      await this.host.start();
      await this.offers.start();
      return this;
    }

    heard(offer: SignedOffer): Promise<void> {
      return new Promise((resolve) => {
        const leave = this.offers.onOffer((found) => {
          if (found.signature !== offer.signature) return;
          leave();
          resolve();
        });
      });
    }

    refused(): Promise<void> {
      return new Promise((resolve) => {
        this.#onRefusal = resolve;
      });
    }

    #metrics(): MetricsRegister {
      const add = (_amount?: number, labels?: Labels) => {
        if (labels?.reason === undefined) return;
        this.refusals.push(labels.reason);
        this.#onRefusal?.();
      };
      return { ...silentMetrics, counter: () => ({ add }) };
    }
  }

  const startNodes = (count: number) => Promise.all(Array.from({ length: count }, () => new Node().start()));

  /** Connects two hosts and waits until each knows the other's subscription. */
  async function link(left: HostService, right: HostService): Promise<void> {
    const knows = (host: HostService, peer: HostService) =>
      new Promise<void>((resolve) => {
        const { gossip } = host.node.services;
        const check = () => {
          if (!gossip.getSubscribers(OFFERS_TOPIC).some((found) => found.equals(peer.node.peerId))) return;
          gossip.removeEventListener("subscription-change", check);
          resolve();
        };
        gossip.addEventListener("subscription-change", check);
        check();
      });
    const known = Promise.all([knows(left, right), knows(right, left)]);
    await left.node.dial(right.node.getMultiaddrs());
    await known;
  }

  it("reach a node beyond the next, with the signature that was given", async () => {
    const [first, middle, last] = (await startNodes(3)) as [Node, Node, Node];
    await link(first.host, middle.host);
    await link(middle.host, last.host);
    const offer = await makeOffer(first.key);
    const hearing = last.heard(offer);
    first.offers.publish(offer);
    await hearing;
    assert.deepEqual(last.offers.get(first.key.address, testCluster), offer);
    assert.deepEqual(last.offers.list(), [offer]);
    assert.equal(last.offers.get(first.key.address, testCluster + 1n), undefined);
  });

  it("are told at most every 30 s, and then only the newest", async () => {
    const [sender, receiver] = (await startNodes(2)) as [Node, Node];
    await link(sender.host, receiver.host);
    const [first, second, third] = await Promise.all(
      [1n, 2n, 3n].map((sequence) => makeOffer(sender.key, { sequence })),
    );
    const heard: bigint[] = [];
    receiver.offers.onOffer((offer) => heard.push(offer.body.sequence));
    let hearing = receiver.heard(first!);
    sender.offers.publish(first!);
    await hearing;
    hearing = receiver.heard(third!);
    sender.offers.publish(second!);
    sender.offers.publish(third!);
    await sender.clock.advance(MIN_PUBLISH_MS - 1);
    assert.deepEqual(heard, [1n]);
    await sender.clock.advance(1);
    await hearing;
    assert.deepEqual(heard, [1n, 3n]);
  });

  it("are not believed when stale, expired, altered, misshapen or too large", async () => {
    const [sender, receiver] = (await startNodes(2)) as [Node, Node];
    await link(sender.host, receiver.host);
    const good = await makeOffer(sender.key, { sequence: 5n });
    const nowS = BigInt(Math.floor(receiver.clock.nowMs() / 1_000));
    const stranger = createNodeKey(randomBytes(32));
    const cases: [string, Uint8Array][] = [
      ["stale", encodeValue(await makeOffer(sender.key, { sequence: 5n, region: "us-east" }))],
      ["stale", encodeValue(await makeOffer(sender.key, { sequence: 4n }))],
      ["expired", encodeValue(await makeOffer(sender.key, { sequence: 6n, validUntil: nowS - 901n }))],
      ["expired", encodeValue(await makeOffer(sender.key, { sequence: 6n, validUntil: nowS + 1_000_000n }))],
      ["signature", encodeValue({ ...good, body: { ...good.body, sequence: 7n } })],
      ["signature", encodeValue({ ...good, node: stranger.address })],
      ["form", Uint8Array.of(1, 2, 3)],
      ["size", new Uint8Array(MAX_OFFER_BYTES + 1)],
    ];
    const hearing = receiver.heard(good);
    sender.offers.publish(good);
    await hearing;
    for (const [reason, data] of cases) {
      const refusing = receiver.refused();
      await sender.host.node.services.gossip.publish(OFFERS_TOPIC, data);
      await refusing;
      assert.equal(receiver.refusals.at(-1), reason);
    }
    assert.deepEqual(receiver.offers.list(), [good]);
  });

  it("are forgotten when they expire", async () => {
    const [sender, receiver] = (await startNodes(2)) as [Node, Node];
    await link(sender.host, receiver.host);
    const offer = await makeOffer(sender.key);
    const hearing = receiver.heard(offer);
    sender.offers.publish(offer);
    await hearing;
    // A quarter of an hour longer than it says: the node's clock may be late by so much.
    await receiver.clock.advance(3_700_000);
    assert.deepEqual(receiver.offers.list(), [offer]);
    await receiver.clock.advance(900_000);
    assert.equal(receiver.offers.get(sender.key.address, testCluster), undefined);
    assert.deepEqual(receiver.offers.list(), []);
  });
});

describe("rates of peers", () => {
  it("let a burst pass, then so many a second", async () => {
    const clock = new ManualClock();
    const rates = new PeerRates(clock);
    const passing = () => Array.from({ length: 2_000 }, () => rates.allow("a")).filter(Boolean).length;
    assert.equal(passing(), 1_000);
    assert.equal(passing(), 0);
    await clock.advance(1_000);
    assert.equal(passing(), 200);
    assert.equal(rates.allow("b"), true);
  });
});
