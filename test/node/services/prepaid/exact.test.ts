import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { BALANCE_HEADER } from "@leat/sdk/protocol/x402.ts";
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from "@x402/core/http";
import { PREPAY, useExact } from "../../../support/exact-scene.ts";
import { LARGE_BYTES } from "../../../support/use-x402.ts";
import { wholeSegment } from "../../../support/whole-segment.ts";
import { payingFetch, usdcOf } from "../../../support/x402-scene.ts";

describe("x402, exact scheme", function () {
  this.timeout(120_000);
  const scene = useExact();
  const { on, infoOf, codeOf, size, balanceOf } = scene;

  it("is paid by the public client, which gets the media and a balance for its payment", async () => {
    const before = await usdcOf(on.market, on.market.node.address);
    const answer = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(answer.status, 200);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), Uint8Array.from(wholeSegment(on.stream, 1, 0)!));
    const settled = decodePaymentResponseHeader(answer.headers.get("payment-response")!);
    assert.equal(settled.success, true);
    assert.equal(settled.payer, scene.viewer.address);
    assert.equal(settled.amount, "1000000");
    assert.match(settled.transaction, /^0x[0-9a-f]{64}$/);
    assert.equal((await usdcOf(on.market, on.market.node.address)) - before, PREPAY);
    assert.equal(balanceOf(answer), PREPAY - size(0));
    assert.equal(await scene.node.prepaid.balance(scene.viewer.address), PREPAY - size(0));
    assert.equal(answer.headers.get("cache-control"), "private, no-store");
    assert.deepEqual(on.stream.counted, [], "the stream's buyer pays for no byte that its viewer paid");
  });

  it("asks for payment in the v2 format, and for none where the stream's buyer has a budget", async () => {
    const asked = await fetch(scene.node.url("master.m3u8"));
    assert.equal(asked.status, 402);
    assert.equal(await codeOf(asked), "X402_PAYMENT_REQUIRED");
    const required = decodePaymentRequiredHeader(asked.headers.get("payment-required")!);
    const { deployment } = on.market.anvil;
    assert.equal(required.x402Version, 2);
    assert.equal(required.resource.url, "http://node.example/live/slug/master.m3u8");
    const { extra, ...exact } = required.accepts[0]!;
    assert.deepEqual(exact, {
      scheme: "exact",
      network: "eip155:31337",
      asset: deployment.tokens.USDC,
      payTo: on.market.node.address,
      amount: "1000000",
      maxTimeoutSeconds: 300,
    });
    assert.deepEqual(extra, { name: "USD Coin", version: "1" });
    on.stream.isUnbudgeted = false;
    const free = await fetch(scene.node.url("240p/0.m4s"));
    assert.equal(free.status, 200);
    await free.arrayBuffer();
    assert.equal(on.stream.counted.length > 0, true);
  });

  it("lets a page of another origin send a payment and read what was settled", async () => {
    const asked = await fetch(scene.node.url("240p/0.m4s"), { method: "OPTIONS" });
    const allowed = asked.headers.get("access-control-allow-headers")!.toLowerCase().split(", ");
    for (const name of ["authorization", "payment-signature", "access-control-expose-headers", "range"]) {
      assert.ok(allowed.includes(name), name);
    }
    const exposed = asked.headers.get("access-control-expose-headers")!.toLowerCase().split(", ");
    for (const name of ["payment-required", "payment-response", BALANCE_HEADER])
      assert.ok(exposed.includes(name), name);
  });

  it("spends the balance by its token, byte by byte, and asks again when it is over", async () => {
    const paid = await payingFetch(on.market, scene.viewer)(scene.node.url("master.m3u8"));
    const { token, balance } = infoOf(paid);
    assert.equal(balance, "1000000");
    const headers = { authorization: `Bearer ${token}` };
    let left = PREPAY;
    for (let sequence = 0; left >= size(sequence % 3); sequence += 1) {
      const answer = await fetch(scene.node.url(`240p/${sequence % 3}.m4s`), { headers });
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
      left -= size(sequence % 3);
      assert.equal(balanceOf(answer), left);
    }
    const playlist = await fetch(scene.node.url("240p/index.m3u8"), { headers });
    assert.equal(playlist.status, 200, "a playlist costs nothing");
    const short = await fetch(scene.node.url("240p/0.m4s"), { headers });
    const next = left < size(0) ? short : await fetch(scene.node.url("240p/1.m4s"), { headers });
    assert.equal(next.status, 402);
    assert.equal(await codeOf(next), "X402_BALANCE_SHORT");
    const again = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"), { headers });
    assert.equal(again.status, 200);
    assert.equal(balanceOf(again), left + PREPAY - size(0));
  });

  it("takes nothing more from a client that only repeats, as long as its balance lasts", async () => {
    const before = await usdcOf(on.market, scene.viewer.address);
    const pay = payingFetch(on.market, scene.viewer);
    await (await pay(scene.node.url("240p/0.m4s"))).arrayBuffer();
    const second = await pay(scene.node.url("240p/1.m4s"));
    assert.equal(second.status, 200);
    const { transaction, amount } = decodePaymentResponseHeader(second.headers.get("payment-response")!);
    assert.deepEqual([transaction, amount], ["", "0"]);
    assert.equal(before - (await usdcOf(on.market, scene.viewer.address)), PREPAY);
    assert.equal(balanceOf(second), PREPAY - size(0) - size(1));
  });

  it("serves no more than was paid to many requests at once", async () => {
    const { token } = infoOf(await payingFetch(on.market, scene.viewer)(scene.node.url("master.m3u8")));
    const headers = { authorization: `Bearer ${token}` };
    const fits = Number(PREPAY / size(0));
    const answers = await Promise.all(
      Array.from({ length: fits + 10 }, () => fetch(scene.node.url("240p/0.m4s"), { headers })),
    );
    const bodies = await Promise.all(answers.filter(({ ok }) => ok).map((answer) => answer.arrayBuffer()));
    assert.equal(bodies.length, fits);
    assert.deepEqual(new Set(answers.filter(({ ok }) => !ok).map(({ status }) => status)), new Set([402]));
    assert.equal(await scene.node.prepaid.balance(scene.viewer.address), PREPAY - BigInt(fits) * size(0));
  });

  it("pays once for requests that pay at once", async () => {
    const before = await usdcOf(on.market, scene.viewer.address);
    const pay = payingFetch(on.market, scene.viewer);
    const answers = await Promise.all([0, 1, 2].map((sequence) => pay(scene.node.url(`240p/${sequence}.m4s`))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    );
    assert.equal(before - (await usdcOf(on.market, scene.viewer.address)), PREPAY);
  });

  it("refunds what a viewer that hangs up did not get", async () => {
    await scene.node.stop();
    scene.node = await on.start({ price: "0.00000001" });
    const { token } = infoOf(await payingFetch(on.market, scene.viewer)(scene.node.url("master.m3u8")));
    await on.hangUpHalfWay(scene.node.url("240p/9.m4s"), token);
    const taken = PREPAY - BigInt(LARGE_BYTES) / 100n;
    await on.until(async () => (await scene.node.prepaid.balance(scene.viewer.address)) > taken);
    const balance = await scene.node.prepaid.balance(scene.viewer.address);
    assert.ok(balance > PREPAY - BigInt(LARGE_BYTES) / 200n, "less than half of it went out");
    assert.ok(balance < PREPAY, "what went out is paid");
  });

  it("knows a token only as long as it stands, and keeps no token that could be read", async () => {
    await scene.node.stop();
    let passedMs = 0;
    scene.node = await on.start({ clock: { ...systemClock, nowMs: () => Date.now() + passedMs } });
    const { token } = infoOf(await payingFetch(on.market, scene.viewer)(scene.node.url("master.m3u8")));
    const ask = (bearer: string) =>
      fetch(scene.node.url("240p/0.m4s"), { headers: { authorization: `Bearer ${bearer}` } });
    const changed = `${token.slice(0, -2)}${token.endsWith("AA") ? "BB" : "AA"}`;
    assert.equal(await codeOf(await ask(changed)), "X402_TOKEN_INVALID");
    assert.equal(await codeOf(await ask("short")), "X402_TOKEN_INVALID");
    const kept = JSON.stringify(await on.database.list("prepaid/"));
    assert.ok(!kept.includes(token) && !kept.includes(token.slice(12)));
    passedMs = 3_601_000;
    assert.equal(await codeOf(await ask(token)), "X402_TOKEN_EXPIRED");
  });
});
