import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import { useX402 } from "../../../support/use-x402.ts";
import { publicClientOf } from "../../../support/x402-scene.ts";

describe("x402, clocks apart", function () {
  this.timeout(120_000);
  const on = useX402();

  it("still knows a payment that has ended by the chain's clock and not yet by the node's", async () => {
    const clock = { ...systemClock, nowMs: () => Date.now() - 600_000 };
    const first = await on.start({ clock });
    const viewer = await on.newViewer(1_000_000n);
    const asked = await fetch(first.url("master.m3u8"));
    const required = decodePaymentRequiredHeader(asked.headers.get("payment-required")!);
    const payload = await publicClientOf(on.market, viewer).createPaymentPayload(required);
    const headers = { "payment-signature": encodePaymentSignatureHeader(payload) };
    assert.equal((await fetch(first.url("master.m3u8"), { headers })).status, 200);
    await on.market.anvil.testClient.increaseTime({ seconds: 400 });
    await on.market.anvil.mine(5);
    await first.stop();
    const second = await on.startAndLook({ clock });
    const again = await fetch(second.url("master.m3u8"), { headers });
    assert.equal(((await again.json()) as { error: { code: string } }).error.code, "X402_NONCE_USED");
  });
});
