import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import { checkClaims, readToken } from "../../../../node/media-io/access/token.ts";
import { type EdgeOf, useBalancer } from "../../../support/balancer-scene.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { makePlaybackSigner } from "../../../support/playback-keys.ts";

describe("balancer, who may watch", () => {
  const scene = useBalancer();
  const { create, until, edgesOf, policyOf, updatesOf, goLive } = scene;

  it("gives a stream's policy to its edges with the job, and every change of it at once", async () => {
    const [key, next] = [makePlaybackSigner("ES256", "k1"), makePlaybackSigner("EdDSA", "k2")];
    const live = await goLive(scene.nodes[0], { playback: { type: "jwt", keys: [key.key] } });
    const now = scene.market.clock.nowMs() / 1_000;
    const token = key.sign({ sub: live.slug, exp: now + 60 });
    await assert.rejects(scene.market.balancer.play(live.slug), { code: "PLAYBACK_TOKEN_MISSING" });
    assert.deepEqual(edgesOf(live.id), []);
    const played = await scene.market.balancer.play(live.slug, { token });
    assert.match(played.primary!.hls, new RegExp(`/live/${live.slug}/~${token}/master.m3u8$`));
    assert.match(played.primary!.srt!, new RegExp(`^srt://127.0.0.1:\\d+\\?streamid=play:${live.slug}/~${token}$`));
    const edges = edgesOf(live.id);
    assert.equal(edges.length, 2);
    for (const { terms } of edges) {
      assert.deepEqual(policyOf(terms).keys[0], key.key);
      assert.deepEqual(updatesOf(terms), []);
    }

    await scene.market.balancer.setPlayback(scene.nodes[3].address, live.id, { type: "jwt", keys: [next.key] });
    for (const { terms } of edges) assert.deepEqual(updatesOf(terms)[0]!.keys[0], next.key);
    await assert.rejects(scene.market.balancer.play(live.slug, { token }), { code: "PLAYBACK_TOKEN_KEY_UNKNOWN" });
    const shown = await scene.market.balancer.views.stream(scene.nodes[3].address, live.id);
    assert.deepEqual(shown.playback, { type: "jwt", keys: [next.key] });
    await scene.market.balancer.setPlayback(scene.nodes[3].address, live.id, { type: "public" });
    for (const { terms } of edges) assert.deepEqual(updatesOf(terms)[1], { type: "public" });
    assert.doesNotMatch((await scene.market.balancer.play(live.slug, { token })).primary!.hls, /~/);
  });

  it("tells a policy to an edge that was away or did not answer, until it has it", async () => {
    const key = makePlaybackSigner("ES256");
    const live = await goLive();
    await scene.market.balancer.play(live.slug);
    const [first, second] = edgesOf(live.id) as [EdgeOf, EdgeOf];
    second.node.refusals.set("job.update", "TIMED_OUT");
    scene.market.hub.leave(first.node);
    await scene.market.balancer.setPlayback(scene.nodes[3].address, live.id, { type: "jwt", keys: [key.key] });
    assert.deepEqual(updatesOf(first.terms), []);
    const tries = updatesOf(second.terms).length;
    second.node.refusals.clear();
    await until(() => scene.market.clock.sleeping > 0);
    await scene.market.clock.advance(5_000);
    await until(() => updatesOf(second.terms).length > tries);
    scene.market.hub.join(first.node);
    await until(() => updatesOf(first.terms).length === 1);
    assert.deepEqual(updatesOf(first.terms)[0]!.keys[0], key.key);
  });

  it("lets the buyer's agent in under every policy, by a token of its own key", async () => {
    const key = makePlaybackSigner("ES256");
    const secret = "sixteen-characters-and-more";
    for (const playback of [
      { type: "jwt" as const, keys: [key.key] },
      { type: "webhook" as const, url: "https://owner.test/", secret, failOpen: true },
    ]) {
      const live = await goLive(scene.nodes[0], { playback });
      const token = key.sign({ sub: live.slug, exp: scene.market.clock.nowMs() / 1_000 + 60 });
      if (playback.type === "jwt") await scene.market.balancer.play(live.slug, { token });
      else scene.market.access.admit = async () => {};
      await scene.market.balancer.play(live.slug, { token });
      const watched = () =>
        (scene.nodes[3].told("stream.watch") as { stream: Hex; edges: { hls: string }[] }[]).findLast(
          ({ stream }) => stream === live.id,
        )?.edges ?? [];
      await until(() => watched().length === 2);
      const edge = edgesOf(live.id)[0]!;
      const ticket = /\/~([^/]+)\//.exec(watched()[0]!.hls)![1]!;
      const claims = readToken(ticket, policyOf(edge.terms).keys);
      checkClaims(claims, [live.slug], {}, scene.market.clock.nowMs());
      // And not by what the buyer's own server knows.
      assert.throws(() => readToken(ticket, [key.key]), { code: "PLAYBACK_TOKEN_KEY_UNKNOWN" });
    }
  });

  it("says whose stream it is to whoever asks the buyer's server", async () => {
    const secret = "sixteen-characters-and-more";
    const playback = { type: "webhook" as const, url: "https://owner.test/", secret };
    const live = await goLive(scene.nodes[0], { playback });
    const told: PlaybackPolicy[] = [];
    scene.market.access.admit = async ({ policy }) => void told.push(policy);
    await scene.market.balancer.play(live.slug);
    told.push(...edgesOf(live.id).map(({ terms }) => policyOf(terms)));
    const { address } = scene.nodes[3];
    const buyers = told.map((policy) => policy.type === "webhook" && policy.buyer);
    assert.deepEqual(buyers, [address, address, address]);
  });

  it("refuses a policy that cannot be one", async () => {
    const key = makePlaybackSigner("ES256");
    const pem = key.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const secret = "sixteen-characters-and-more";
    const wrong: [object, string][] = [
      [{ type: "jwt", keys: [{ kid: "a", alg: "ES256", publicKey: pem }] }, "PLAYBACK_KEY_PRIVATE"],
      [{ type: "jwt", keys: [{ ...key.key, publicKey: { ...key.key.publicKey, d: "AA" } }] }, "PLAYBACK_KEY_PRIVATE"],
      [{ type: "jwt", keys: [{ ...key.key, alg: "EdDSA" }] }, "PLAYBACK_KEY_ALGORITHM_WRONG"],
      [{ type: "jwt", keys: [{ ...key.key, publicKey: "no key" }] }, "PLAYBACK_KEY_INVALID"],
      [{ type: "jwt", keys: [key.key, key.key] }, "PLAYBACK_KEY_TWICE"],
      [{ type: "webhook", url: "https://user:word@owner.test/", secret }, "PLAYBACK_WEBHOOK_URL_INVALID"],
      [{ type: "webhook", url: "http://owner.test/", secret }, "PLAYBACK_WEBHOOK_SCHEME_REFUSED"],
      [{ type: "webhook", url: "https://127.0.0.1/x", secret }, "PLAYBACK_WEBHOOK_ADDRESS_REFUSED"],
      [{ type: "webhook", url: "https://[::1]/x", secret, failOpen: true }, "PLAYBACK_WEBHOOK_ADDRESS_REFUSED"],
    ];
    const open = await create({});
    const { address } = scene.nodes[3];
    for (const [playback, code] of wrong) {
      await assert.rejects(create({ playback }), codeOf(code), code);
      await assert.rejects(scene.market.balancer.setPlayback(address, open.id, playback as never), codeOf(code), code);
    }
    const spki = createPublicKey(key.privateKey).export({ type: "spki", format: "pem" });
    const { id } = await create({ playback: { type: "jwt", keys: [{ ...key.key, publicKey: spki }] } });
    const { playback } = await scene.market.balancer.views.stream(scene.nodes[3].address, id);
    assert.deepEqual(playback, { type: "jwt", keys: [key.key] });
  });
});
