import assert from "node:assert/strict";
import { buyerToppedUp } from "../../../../node/services/balancer/top-ups.ts";

const [buyer, cluster, node] = ["b1", "c1", "d1"].map((byte) => `0x${byte.repeat(20)}` as const);

describe("top-ups of buyers", () => {
  const of = (eventName: string, payee: string) =>
    // As the chain's library writes addresses.
    buyerToppedUp({ eventName, args: { payer: `0x${buyer!.slice(2).toUpperCase()}`, payee } }, cluster!);

  it("are what raises a promise to the cluster", () => {
    for (const name of ["Reserved", "ReserveThawCanceled", "SignerAllotted"]) assert.equal(of(name, cluster!), buyer);
  });

  it("are no other events, and none of other payees", () => {
    for (const name of ["ReserveThawStarted", "Bounced", "SignerRevoked"]) assert.equal(of(name, cluster!), undefined);
    assert.equal(of("Reserved", node!), undefined);
    assert.equal(buyerToppedUp({ eventName: "Collected", args: { channel: "0x00" } }, cluster!), undefined);
  });
});
